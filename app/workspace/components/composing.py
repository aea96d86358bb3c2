"""A text that is typed, with the snippets that it includes as they are now."""

from app.workspace.components import access
from prompts.checks import prepared
from prompts.composing import resolved
from prompts.content import PromptContent


def composed(name: str, content: PromptContent) -> PromptContent:
    """The content with its includes looked up; raises PromptstoneError as a save would."""
    if not any("include" in message.content for message in content.messages):
        return content.model_copy(update={"includes": ()}) if content.includes else content
    listed = prepared(content)
    with access.reading() as session:
        return resolved(session, name, listed)
