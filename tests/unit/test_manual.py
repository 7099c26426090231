# SPDX-License-Identifier: LGPL-2.1-or-later
"""The manual of the API, as it is made of every file of the schema: man pages and HTML."""

import html.parser
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
INTERFACES = ROOT / "interfaces"
FILES = sorted(p for p in INTERFACES.glob("*.toml") if p.stem != "common")
sys.path.insert(0, str(INTERFACES))

import words  # noqa: E402
from model import camel, interface, snake  # noqa: E402
from schema import KINDS, load  # noqa: E402
from typeparser import ACCESS, UNITS  # noqa: E402


def compile_schema(*arguments, **environment):
    done = subprocess.run([sys.executable, INTERFACES / "compile.py", *map(str, arguments)], capture_output=True,
                          text=True, env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1", **environment})
    assert (done.returncode, done.stderr) == (0, "")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("manual")
    compile_schema("--man", folder, "--html", folder, *FILES)
    return folder


@pytest.fixture(scope="module")
def services():
    schema, errors = load(FILES, INTERFACES / "common.toml")
    assert not errors
    return [s for s in schema.services if interface(s)]


def messages(service):
    return [*service.messages.values(), *service.indications.values()]


def fields(message):
    """(path, type) of everything in its dictionaries."""
    def walk(path, t):
        yield path, t
        while t.kind == "array":
            t = t.element
        for f in t.fields:
            if not f.hidden and not f.padding:
                yield from walk([*path, snake(f.name)], f.type)

    for t in message.request + message.response:
        yield from walk([snake(t.field.name)], t.field.type)


def test_everything_has_words():
    assert set(words.KINDS) == set(KINDS)
    assert set(words.CLASSES) == set(ACCESS)
    assert set(words.UNITS) == set(UNITS)


def test_pages(made, services):
    wanted = {"index.html", "errors.html", "org.qmid1.Error.3"}
    wanted |= {f"{s.name}.html" for s in services} | {f"{interface(s)}.3" for s in services}
    assert {p.name for p in made.iterdir()} == wanted


def test_the_same_each_time(made, tmp_path):
    for name in ("a", "b"):
        compile_schema("--man", tmp_path / name, "--html", tmp_path / name, *FILES, SOURCE_DATE_EPOCH="86400")
    for path in sorted((tmp_path / "a").iterdir()):
        text = path.read_text()
        assert text == (tmp_path / "b" / path.name).read_text()
        assert path.suffix != ".3" or ".Dd January 2, 1970\n" in text


# ---- man pages


def need(name):
    if not shutil.which(name):
        pytest.skip(f"there is no {name}")


def rendered(page):
    return subprocess.run(["mandoc", "-T", "ascii", "-O", "width=80", str(page)], capture_output=True, text=True,
                          check=True).stdout


def bare(text):
    """Without overstriking."""
    return re.sub(".\b", "", text)


def test_lint(made):
    need("mandoc")
    result = subprocess.run(["mandoc", "-T", "lint", "-W", "warning", *sorted(made.glob("*.3"))], capture_output=True,
                            text=True)
    assert result.returncode == 0, result.stdout


def test_width(made):
    need("mandoc")
    for page in made.glob("*.3"):
        assert [line for line in bare(rendered(page)).splitlines() if len(line) > 80] == [], page.name


def test_man_pages_have_everything(made, services):
    need("mandoc")
    for service in services:
        text = bare(rendered(made / f"{interface(service)}.3"))
        flat = re.sub(r"-?\s+", " ", text)
        for message in messages(service):
            part = text.split(f"\n   {camel(message.name)}\n")[1]
            part = re.split(r"\n   \S|\n[A-Z]", part)[0]
            assert re.sub(r"\s+", " ", message.about).split(". ")[0] in re.sub(r"\s+", " ", part)
            assert f"0x{message.id:04x}" in part and f"class {message.access}" in part
            for path, t in fields(message):
                assert re.search(rf"^ +{path[-1]}(\s|$)", part, re.M), f"{service.name} {message.name} {path}"
                assert t.unit == "" or words.UNITS[t.unit] in re.sub(r"\s+", " ", part)
        for e in words.enums_of(service):
            for value, symbol in e.values:
                assert re.search(rf" {snake(symbol)} {value}[,.]", flat), f"{service.name} {e.name} {symbol}"


def test_what_is_known_by_id_only(made, pages, services):
    need("mandoc")
    for service in services:
        text = bare(rendered(made / f"{interface(service)}.3"))
        html_text = "\n".join(pages[f"{service.name}.html"].texts.values())
        assert ("KNOWN BY ID ONLY" in text) == bool(service.id_only) == ("Known by id only" in html_text)
        for message in service.id_only:
            assert re.search(rf"^ +{message.name} +0x{message.id:04x}", text, re.M)
            assert re.search(rf"^{message.name}\n0x{message.id:04x}", html_text, re.M)


def test_one_message(made):
    need("mandoc")
    part = bare(rendered(made / "org.qmid1.Nas.3")).split("\n   GetSignalInfo\n")[1].split("\n   ConfigSignalInfo\n")[0]
    assert "0x004f, query, class status." in part
    lte = part.split(" lte ")[1].split(" nr5g ")[0]
    assert re.search(r"^ +rsrp +n: signed number of 16 bits, in dBm$", lte, re.M)
    assert re.search(r"^ +snr +d: number in steps of 0.1 dB$", lte, re.M)


def test_what_a_line_says_of_a_field(made):
    need("mandoc")
    text = re.sub(r"\s+", " ", bare(rendered(made / "org.qmid1.Uim.3")))
    assert re.search(r"VerifyPin .*? value s: text \(secret, guarded\)", text)
    text = re.sub(r"\s+", " ", bare(rendered(made / "org.qmid1.Dms.3")))
    assert "mode s: one of operating-mode; TLV 0x01 (mandatory)" in text


def test_errors(made):
    need("mandoc")
    text = bare(rendered(made / "org.qmid1.Error.3"))
    assert re.search(r"^ +26 +NoEffect$", text, re.M)
    assert "org.qmid1.Error(3), org.qmid1(5)" in bare(rendered(made / "org.qmid1.Nas.3"))


# ---- HTML

VOID = {"meta", "br", "hr", "link"}


class Reader(html.parser.HTMLParser):
    """A page: that its elements are closed in order, its anchors, where its links lead, the text below each anchor."""

    def __init__(self, path):
        super().__init__()
        self.open, self.ids, self.links, self.texts, self.within = [], [], [], {}, []
        self.feed(path.read_text())
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        if "id" in attributes:
            self.ids.append(attributes["id"])
            self.texts[attributes["id"]] = ""
        if "href" in attributes:
            self.links.append(attributes["href"])
        if tag not in VOID:
            self.open.append((tag, attributes.get("id")))

    def handle_endtag(self, tag):
        opened, _ = self.open.pop()
        assert opened == tag, f"{opened} ends with {tag} at {self.getpos()}"

    def handle_data(self, data):
        for _, anchor in self.open:
            if anchor:
                self.texts[anchor] += data + "\n"


@pytest.fixture(scope="module")
def pages(made):
    return {path.name: Reader(path) for path in made.glob("*.html")}


def test_links_lead_somewhere(pages):
    for name, page in pages.items():
        assert len(page.ids) == len(set(page.ids)), name
        for link in page.links:
            file, _, anchor = link.partition("#")
            assert file == "" or file in pages, f"{name}: {link}"
            assert anchor == "" or anchor in pages[file or name].ids, f"{name}: {link}"


def test_pages_stand_alone(made):
    for path in made.glob("*.html"):
        text = path.read_text()
        assert not re.search(r"<script|<link|src=|https?:", text), path.name
        assert "prefers-color-scheme: dark" in text


def test_html_is_valid(made):
    need("tidy")
    result = subprocess.run(["tidy", "-e", "-q", *sorted(made.glob("*.html"))], capture_output=True, text=True)
    assert (result.returncode, result.stderr) == (0, "")


def test_html_has_everything(pages, services):
    for service in services:
        page = pages[f"{service.name}.html"]
        assert f"{service.name}.html" in pages["index.html"].links
        for message in messages(service):
            text = page.texts[message.name]
            assert camel(message.name) in text and message.about in text and f"0x{message.id:04x}" in text
            for path, t in fields(message):
                assert f"\n{path[-1]}\n" in text, f"{service.name} {message.name} {path}"
                assert t.unit == "" or words.UNITS[t.unit] in text
                if t.enum:
                    assert f"\n{t.enum.name}\n" in text
        for e in words.enums_of(service):
            text = page.texts[f"{'flags' if e.flags else 'enum'}.{e.name}"]
            for value, symbol in e.values:
                assert re.search(rf"^{snake(symbol)}\n {value}$", text, re.M), f"{service.name} {e.name} {symbol}"


def test_errors_page(pages):
    assert re.search("org.qmid1.Error.Qmi.NoEffect\n+26\n", pages["errors.html"].texts["no_effect"])
