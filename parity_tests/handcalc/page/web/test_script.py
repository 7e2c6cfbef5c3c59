"""The page's modules are put together in the order of their imports; what does not keep to the rules is refused."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from handcalc.page.web.web_script import WEB, web_script
from parity_tests.handcalc.page.web.script_page import ENTRIES

LONGEST_LINE, LONGEST_FUNCTION, LONGEST_FILE = 120, 40, 300


def script_of(folder: Path, modules: dict[str, str]) -> str:
    for name, text in modules.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    return web_script(next(iter(modules)), web=folder)


def test_order(tmp_path: Path) -> None:
    script = script_of(
        tmp_path,
        {
            "main.js": 'import { a, c } from "./parts/a.js";\nimport { B } from "./parts/b.js";\n\na(B, c);\n',
            "parts/a.js": 'import { B } from "./b.js";\n\nexport function a() {\n  return B;\n}\nexport class c {}\n',
            "parts/b.js": "// b\nexport const B = 1;\nlet own = 2;\nasync function wait() {}\n",
        },
    )
    assert script == (
        "// parts/b.js\n\n// b\nconst B = 1;\nlet own = 2;\nasync function wait() {}\n\n"
        "// parts/a.js\n\nfunction a() {\n  return B;\n}\nclass c {}\n\n"
        "// main.js\n\na(B, c);\n"
    )


@pytest.mark.parametrize(
    ("modules", "words"),
    [
        (
            {"a.js": 'import { b } from "./b.js";', "b.js": "export const b = 1;\nconst c = 2;\nlet c = 3;"},
            "both declare c",
        ),
        (
            {"a.js": 'import { b } from "./b.js";\nclass b {}', "b.js": "export const b = 1;"},
            "a.js and b.js both declare b",
        ),
        ({"a.js": 'import { b } from "./b.js";', "b.js": "const b = 1;"}, "a.js imports b, which b.js does not export"),
        ({"a.js": 'import { b } from "./b.js";'}, "there is no module b.js"),
        ({"a.js": 'import { a } from "./a.js";'}, "a.js → a.js: a module must not import itself"),
        (
            {"a.js": 'import { b } from "./b.js";', "b.js": 'import { a } from "./a.js";\nexport const b = 1;'},
            "a.js → b.js → a.js",
        ),
        ({"a.js": 'import { b as c } from "./b.js";'}, "is not an import or a declaration"),
        ({"a.js": 'import b from "./b.js";'}, "is not an import or a declaration"),
        ({"a.js": 'import * as b from "./b.js";'}, "is not an import or a declaration"),
        ({"a.js": 'import { b } from "https://b.org/b.js";'}, "is not an import or a declaration"),
        ({"a.js": "import {"}, "is not an import or a declaration"),
        ({"a.js": "export default 1;"}, "is not an import or a declaration"),
        ({"a.js": "export { b };"}, "is not an import or a declaration"),
        ({"a.js": "const { b } = c;"}, "is not an import or a declaration"),
        ({"a.js": 'const b = "</Script>";'}, "contains </Script, which would end"),
        ({"a.js": "// <!-- b"}, "contains <!--"),
    ],
)
def test_rules(modules: dict[str, str], words: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=re.escape(words)):
        script_of(tmp_path, modules)


def test_program_has_no_imports_and_no_exports() -> None:
    script = web_script(*ENTRIES)
    assert not re.search(r"^(import|export)\b", script, re.MULTILINE)
    assert script.index("class Decimal") < script.index("class Ref") < script.index("function* embeddingSteps")


@pytest.mark.parametrize("module", sorted(Path(str(WEB)).rglob("*.js")), ids=lambda path: path.name)
def test_style(module: Path) -> None:
    lines = module.read_text(encoding="utf-8").split("\n")
    assert len(lines) <= LONGEST_FILE
    assert [line for line in lines if len(line) > LONGEST_LINE or line != line.rstrip() or "\t" in line] == []
    for place, line in enumerate(lines):
        if re.match(r"(export )?(async )?function", line):
            assert "}" in lines[place : place + LONGEST_FUNCTION], f"{line} is too long"
        if line.startswith("export "):  # constants that belong together may share one
            assert lines[place - 1].endswith("*/") or lines[place - 1].startswith("export const"), (
                f"{line} has no JSDoc"
            )
