/* SPDX-License-Identifier: Apache-2.0 */
#include "mod_container/html.h"

#include "common/units.h"

/* RFC 3986 section 2.3: what needs no encoding anywhere. */
static int is_unreserved(unsigned char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_' || c == '~';
}

void html_url(struct out *out, const char *text)
{
    static const char digits[] = "0123456789ABCDEF";

    for (const unsigned char *at = (const unsigned char *)text; *at; at++) {
        char encoded[3] = {'%', digits[*at >> 4], digits[*at & 15]};
        if (is_unreserved(*at))
            out_bytes(out, (const char *)at, 1);
        else
            out_bytes(out, encoded, sizeof(encoded));
    }
}

void html_milli(struct out *out, uint64_t milli, unsigned digits)
{
    static const unsigned units[] = {1000, 100, 10, 1};

    out_count(out, milli / 1000);
    if (digits == 0)
        return;
    unsigned fraction = (unsigned)(milli % 1000) / units[digits];
    char text[4] = ".";
    for (unsigned i = digits; i > 0; i--, fraction /= 10)
        text[i] = (char)('0' + fraction % 10);
    out_bytes(out, text, digits + 1);
}

void html_size(struct out *out, uint64_t bytes)
{
    static const char *const units[] = {" B", " KiB", " MiB", " GiB", " TiB", " PiB", " EiB"};
    unsigned unit = 0;
    uint64_t unit_bytes = 1;

    while (unit + 1 < sizeof(units) / sizeof(units[0]) && bytes / unit_bytes >= 1000) {
        unit_bytes *= 1024;
        unit++;
    }
    uint64_t whole = bytes / unit_bytes;
    out_count(out, whole);
    if (unit > 0 && whole < 10) {
        char tenth[2] = {'.', (char)('0' + bytes % unit_bytes * 10 / unit_bytes)};
        out_bytes(out, tenth, sizeof(tenth));
    }
    out_text(out, units[unit]);
}

void html_size_titled(struct out *out, uint64_t bytes, const char *behind)
{
    out_text(out, "<span title=\"");
    out_count(out, bytes);
    out_text(out, " bytes");
    out_text(out, behind);
    out_text(out, "\">");
    html_size(out, bytes);
    out_text(out, behind);
    out_text(out, "</span>");
}

void html_duration(struct out *out, uint64_t usec)
{
    char buffer[32];

    out_text(out, format_duration(usec, buffer, sizeof(buffer)));
}

void html_latency(struct out *out, uint64_t usec)
{
    if (usec < 1000) {
        out_count(out, usec);
        out_text(out, " µs");
    } else if (usec < 1000000) {
        html_milli(out, usec, usec < 10000 ? 1 : 0);
        out_text(out, " ms");
    } else {
        html_milli(out, usec / 1000, usec < 10000000 ? 1 : 0);
        out_text(out, " s");
    }
}
