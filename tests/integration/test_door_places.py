# SPDX-License-Identifier: Apache-2.0
"""No way into the house leads around the door, and none is counted twice."""
import pytest

from test_door import HOUR, client, passed, serve, statuses, workplace  # noqa: F401 (fixtures)
from test_traffic import PAGE, board, fpm, route, traffic  # noqa: F401 (fixtures)


def test_satisfy_any_does_not_pass_by(serve):
    httpd = serve("<Location />\nSatisfy any\nRequire all granted\nAllow from all\n</Location>\n"
                  f"<Location /a.html>\nContainerThrottleRule a 2/{HOUR}\n</Location>\n", modules=["access_compat"])
    assert passed(httpd, 5) == 2


@pytest.mark.parametrize("rewrite", ["RewriteEngine On\nRewriteRule ^/x$ /wp-login.php [PT]\n",
                                     "<Directory {htdocs}>\nRewriteEngine On\nRewriteRule ^x$ wp-login.php\n"
                                     "</Directory>\n"])
def test_a_rewritten_page_meets_the_rule_of_its_location(serve, workplace, rewrite):
    httpd = serve(rewrite.replace("{htdocs}", str(workplace.path / "htdocs")) +
                  f"<Location /wp-login.php>\nContainerThrottleRule login 2/{HOUR}\n</Location>\n")
    assert passed(httpd, 5, path="/x") == 2


def test_an_index_is_counted_once(serve, workplace):
    (workplace.path / "htdocs" / "index.html").write_text("index")
    httpd = serve(f"ContainerThrottleRule site 4/{HOUR}\n")
    assert passed(httpd, 6, path="/") == 4


def test_error_documents_are_not_counted(serve):
    httpd = serve("ErrorDocument 404 /a.html\n<Location /a.html>\n"
                  f"ContainerThrottleRule a 1/{HOUR}\n</Location>\nContainerThrottleRule site 4/{HOUR}\n")
    assert statuses(httpd, 3, path="/none") == [404] * 3
    assert passed(httpd, 2) == 1


def test_an_error_document_of_the_refusal_itself(serve):
    httpd = serve(f"ErrorDocument 429 /b.html\nContainerThrottleRule site 1/{HOUR}\n")
    assert passed(httpd, 1) == 1
    refused = httpd.get("/a.html", headers=client())
    assert refused.status == 429 and refused.text == "b.html" and int(refused.headers["Retry-After"]) > 0


def test_what_a_cache_answers_is_counted(serve, workplace):
    cache = workplace.path / "cache"
    cache.mkdir()
    cache.chmod(0o777)
    httpd = serve(f"CacheRoot {cache}\nCacheEnable disk /\nCacheDefaultExpire 3600\nCacheIgnoreNoLastMod On\n"
                  f"<Location /a.html>\nContainerThrottleRule a 3/{HOUR}\n</Location>\n"
                  f"ContainerThrottleRule b 2/{HOUR} path=/b.html\n", modules=["cache", "cache_disk"])
    assert statuses(httpd, 5) == [200, 200, 200, 429, 429]
    assert passed(httpd, 1, headers=client("198.51.100.2")) == 1
    assert passed(httpd, 4, path="/b.html") == 2


def test_sections_add_replace_and_take_out(serve):
    httpd = serve(f"ContainerThrottleRule site 2/{HOUR}\n<Location /b.html>\n"
                  "ContainerThrottleRule extra 1/1h\n</Location>\n"
                  "<If \"%{REQUEST_URI} == '/wp-login.php'\">\nContainerThrottleRule if 1/1h\n</If>\n")
    assert statuses(httpd, 2, path="/b.html") == [200, 429]
    assert statuses(httpd, 2, path="/wp-login.php", headers=client("198.51.100.2")) == [200, 429]
    assert statuses(httpd, 3, headers=client("198.51.100.3")) == [200, 200, 429]


def test_refusals_of_a_routed_host_are_on_its_traffic_board(serve, workplace, traffic, board, fpm):
    (workplace.path / "site").mkdir(exist_ok=True)
    (workplace.path / "site" / "index.php").write_text(PAGE)
    httpd = serve(f"ContainerThrottleRule site 1/{HOUR}\n" + route(workplace))
    assert statuses(httpd, 3, path="/index.php") == [200, 429, 429]
    assert traffic.show()["refused"] == 2
