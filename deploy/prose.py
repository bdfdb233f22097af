"""Check the English of docs, docstrings, comments and messages by the rules in styles/; part of `make lint`.

The rules are those of vale, which reads the same files. No package brings its program, so this applies them without it.
Code, in fences or between backticks, is not prose.
"""

import ast
import re
import sys
import tokenize
from collections.abc import Iterator
from pathlib import Path

import yaml

CHECKOUT = Path(__file__).resolve().parents[1]
APPS = [
    "accounts",
    "bench",
    "clients",
    "database",
    "deploy",
    "incidents",
    "monitoring",
    "observability",
    "slamonitor",
    "statuspage",
]
CATALOGUE = "locale/ko/LC_MESSAGES/django.po"  # its messages in English
CHECKED = [
    "README.md",
    "SECURITY.md",
    "docs/**/*.md",
    "CONTRIBUTING.md",
    CATALOGUE,
    *(f"{app}/**/*.py" for app in APPS),
]
STYLES = CHECKOUT / "styles" / "SLAMonitor"
CODE = re.compile(r"^( *)```.*?^\1```$|`[^`\n]+`|\]\([^)\s]+\)", re.DOTALL | re.MULTILINE)
BREAK = r"\n\s*\n|\n\s*[-#|]|\|"  # between paragraphs, list items, headings and cells
SENTENCE = re.compile(rf"(?![-*#>|]+\s)[^\s|](?:(?!{BREAK}).)*?(?:[.!?](?=\s)|(?={BREAK}|\s*\Z))", re.DOTALL)


def main() -> int:
    paths = sorted({path for pattern in CHECKED for path in CHECKOUT.glob(pattern)})
    problems = [f"{path.relative_to(CHECKOUT)}:{line}: {what}" for path in paths for line, what in problems_in(path)]
    print("\n".join(problems) or f"prose: {len(paths)} files, nothing to change")
    return int(bool(problems))


def problems_in(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the line and the remedy of each match of a rule, in order of sentences."""
    prose = CODE.sub(lambda code: blanked(code[0]), READERS.get(path.suffix, Path.read_text)(path))
    for sentence in SENTENCE.finditer(prose):
        for rule, message in RULES:
            for found in rule.finditer(sentence[0]):
                line = prose.count("\n", 0, sentence.start() + found.start()) + 1
                yield line, message.format(" ".join(found[0].split())[:60])


def rules() -> Iterator[tuple[re.Pattern[str], str]]:
    words = yaml.safe_load((STYLES / "Words.yml").read_text())
    for word, better in words["swap"].items():
        pattern = rf"\b(?:{word})\b".replace(" ", r"\s+")
        yield re.compile(pattern, re.IGNORECASE), words["message"].replace("%s", better, 1).replace("%s", "{}")
    subjects = yaml.safe_load((STYLES / "Subjects.yml").read_text())
    for pattern in subjects["raw"]:
        yield re.compile(pattern), subjects["message"].replace("%s", "{}")


def python(path: Path) -> str:
    """Return the source with all blanked but docstrings and comments, each of them in its place."""
    source = path.read_text()
    kept = {
        node.body[0].lineno
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and ast.get_docstring(node, clean=False) is not None
    }
    with tokenize.open(path) as file:
        tokens = [
            token
            for token in tokenize.generate_tokens(file.readline)
            if token.type == tokenize.COMMENT or (token.type == tokenize.STRING and token.start[0] in kept)
        ]
    lines = [blanked(line) for line in source.split("\n")]
    for token in tokens:
        for offset, text in enumerate(token.string.split("\n")):
            row, column = token.start[0] - 1 + offset, token.start[1] if offset == 0 else 0
            text = text.lstrip("# ").rjust(len(text)) if token.type == tokenize.COMMENT else text.replace('"""', "   ")
            lines[row] = lines[row][:column] + text + lines[row][column + len(text) :]
    return "\n".join(lines)


def catalogue(path: Path) -> str:
    """Return a catalogue with all blanked but the messages in English."""
    kept = re.compile(r'^msgid(?:_plural)? (?:".*"\n)+', re.MULTILINE)
    source, end, parts = path.read_text(), 0, []
    for message in kept.finditer(source):
        text = re.sub(r'msgid(?:_plural)? |"(?=\n)|^"', lambda quote: blanked(quote[0]), message[0], flags=re.MULTILINE)
        parts += [blanked(source[end : message.start()]), text]
        end = message.end()
    return "".join([*parts, blanked(source[end:])])


def blanked(text: str) -> str:
    return re.sub(r"[^\n]", " ", text)


READERS = {".py": python, ".po": catalogue}
RULES = list(rules())

if __name__ == "__main__":
    sys.exit(main())
