"""Draws icon.png and logo.png: a touchstone with a streak. Run it after changing the drawing."""

from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

HERE = Path(__file__).parent
STONE, STREAK, WORD = (29, 95, 166), (255, 255, 255), (58, 120, 189)
SCALE = 4


def icon(size: int) -> Image.Image:
    """A rounded stone with one bright streak and a spark at its end."""
    big = size * SCALE
    image = Image.new("RGBA", (big, big), (0, 0, 0, 0))
    draw = ImageDraw.Draw(image)
    draw.rounded_rectangle((0, 0, big - 1, big - 1), radius=big // 5, fill=STONE)
    width = big // 9
    draw.line((big * 0.24, big * 0.74, big * 0.66, big * 0.34), fill=STREAK, width=width)
    for x, y, r in ((0.24, 0.74, 0.055), (0.66, 0.34, 0.055), (0.77, 0.235, 0.075)):
        box = ((x - r) * big, (y - r) * big, (x + r) * big, (y + r) * big)
        draw.ellipse(box, fill=STREAK)
    return image.resize((size, size), Image.Resampling.LANCZOS)


def logo() -> Image.Image:
    """The icon with the name beside it, readable on light and dark."""
    font = ImageFont.load_default(size=46)
    image = Image.new("RGBA", (370, 72), (0, 0, 0, 0))
    image.paste(icon(64), (0, 4))
    ImageDraw.Draw(image).text((80, 8), "Promptstone", font=font, fill=WORD)
    return image


if __name__ == "__main__":
    icon(64).save(HERE / "icon.png", optimize=True)
    logo().save(HERE / "logo.png", optimize=True)
