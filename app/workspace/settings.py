from app.workspace.components import header

header.head("settings")
