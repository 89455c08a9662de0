# SPDX-License-Identifier: Apache-2.0
"""Reads the status page as a strict parser does: elements, their attributes, their text."""
from html.parser import HTMLParser

VOID = {"meta", "link", "input", "br", "wbr", "hr", "img"}


class Element:
    def __init__(self, name, attributes, parent):
        self.name, self.attributes, self.parent = name, attributes, parent
        self.children, self.pieces = [], []

    @property
    def text(self):
        return "".join(piece if isinstance(piece, str) else piece.text for piece in self.pieces)

    def all(self, name=None, /, **wanted):
        """Elements below with that name and those attributes; class_ names one of its classes."""
        css = wanted.pop("class_", None)
        wanted = {key.rstrip("_").replace("_", "-"): value for key, value in wanted.items()}
        for child in self.children:
            if ((name is None or child.name == name)
                    and all(child.attributes.get(key) == value for key, value in wanted.items())
                    and (css is None or css in (child.attributes.get("class") or "").split())):
                yield child
            yield from child.all(name, **wanted, **({"class_": css} if css else {}))

    def one(self, name=None, /, **wanted):
        found = list(self.all(name, **wanted))
        assert len(found) == 1, (name, wanted, len(found))
        return found[0]


class Page(HTMLParser):
    """Parses and asserts that every element is closed in its order."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.root = self.at = Element("document", {}, None)
        self.feed(text)
        self.close()
        assert self.at is self.root, f"<{self.at.name}> is not closed"

    def handle_starttag(self, name, attributes):
        assert len(attributes) == len({key for key, _ in attributes}), (name, attributes)
        element = Element(name, dict(attributes), self.at)
        self.at.children.append(element)
        self.at.pieces.append(element)
        if name not in VOID:
            self.at = element

    def handle_startendtag(self, name, attributes):
        self.handle_starttag(name, attributes)
        if name not in VOID:
            self.at = self.at.parent

    def handle_endtag(self, name):
        assert self.at.name == name, f"</{name}> closes <{self.at.name}>"
        self.at = self.at.parent

    def handle_data(self, data):
        self.at.pieces.append(data)


def read(reply):
    assert reply.status == 200, (reply.status, reply.text)
    return Page(reply.text).root
