/* SPDX-License-Identifier: Apache-2.0 */
/*
 * containerctl top: the board on the whole screen, live. It reads the mapped scoreboard only: it
 * costs the supervisor nothing, and shows the last good sample and its age while that is busy.
 * Without a screen to write on (TERM=dumb, a pipe) the same comes as plain text, again and again.
 */
#include <curses.h>
#include <errno.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "supervisor/cli/ctl_board.h"
#include "supervisor/cli/ctl_text.h"
#include "supervisor/cli/ctl_top.h"

/* Of the letters; a screen needs room for the table too. */
#define LETTER_LINES_MAX 8

static volatile sig_atomic_t is_interrupted;

struct screen {
    const struct ctl *ctl;
    const char *tenant;
    struct ctl_board view;
    struct status_query query;
    enum top_sort sort;
    struct top_rows rows;
    uint32_t first;   /* the row at the top of the table */
    unsigned visible; /* rows of the table that fit */
    bool is_paused;
    bool is_typing; /* a filter */
    char typed[QUERY_TEXT_MAX + 1];
};

/* ---- drawing ---- */

/* Writes at most width columns of text, cleaned and padded, at the cursor. */
static void put(const char *text, int width, bool is_right)
{
    _cleanup_free_ char *clean = text_clean_copy(text);
    int used = 0, padding = clean ? width - (int)text_width(clean) : width;
    const char *end = clean;

    for (; is_right && padding > 0; padding--)
        addch(' ');
    while (end && *end && used < width) {
        end++;
        while (((unsigned char)*end & 0xC0) == 0x80)
            end++;
        used++;
    }
    if (clean)
        addnstr(clean, (int)(end - clean));
    for (; !is_right && padding > 0; padding--)
        addch(' ');
}

static int draw_header(const struct screen *screen, int line)
{
    char text[BOARD_LINE_MAX];

    for (unsigned i = 0; i < BOARD_HEADER_LINES && line < LINES - 1; i++) {
        board_header(&screen->view, i, text);
        if (!*text)
            continue;
        move(line++, 0);
        if (!screen->view.is_live && strstr(text, "OUT OF DATE"))
            attron(A_REVERSE);
        put(text, COLS, false);
        attroff(A_REVERSE);
    }
    return line;
}

static int draw_letters(const struct screen *screen, int line)
{
    const struct selection *selection = &screen->view.selection;
    int most = (LINES - line) / 3;

    if (most > LETTER_LINES_MAX)
        most = LETTER_LINES_MAX;
    for (uint32_t i = 0; i < selection->letter_count && most > 0; i += BOARD_LETTERS_ROW, most--)
        mvprintw(line++, 0, "%.*s%s", BOARD_LETTERS_ROW, selection->letters + i,
                 most == 1 && i + BOARD_LETTERS_ROW < selection->letter_count ? " ..." : "");
    return line;
}

/* As many columns as fit; returns how many. */
static size_t fitting_columns(void)
{
    int used = 0;
    size_t count = 0;

    while (count < board_column_count && !board_columns[count].is_wide &&
           used + (int)board_columns[count].width <= COLS)
        used += (int)board_columns[count++].width + 1;
    return count;
}

static void draw_row(const struct screen *screen, const struct container_slot *slot, size_t columns,
                     int line)
{
    bool has_fault = board_has_fault(&screen->view, slot);
    char cell[BOARD_CELL_MAX];

    move(line, 0);
    if (has_fault)
        attron(A_BOLD);
    for (size_t i = 0; i < columns; i++) {
        board_cell(&screen->view, &board_columns[i], slot, cell);
        put(*cell ? cell : "-", (int)board_columns[i].width, board_columns[i].is_right);
        if (i + 1 < columns)
            addch(' ');
    }
    attroff(A_BOLD);
}

static void draw_table(struct screen *screen, int line)
{
    size_t columns = fitting_columns();
    struct container_slot slot;

    move(line++, 0);
    attron(A_REVERSE);
    for (size_t i = 0; i < columns; i++) {
        put(board_columns[i].heading, (int)board_columns[i].width, board_columns[i].is_right);
        if (i + 1 < columns)
            addch(' ');
    }
    attroff(A_REVERSE);
    screen->visible = LINES - 1 > line ? (unsigned)(LINES - 1 - line) : 0;
    if (screen->first >= screen->rows.count)
        screen->first = screen->rows.count ? screen->rows.count - 1 : 0;
    for (uint32_t i = screen->first; i < screen->rows.count && line < LINES - 1; i++)
        if (selection_slot(&screen->view.selector, screen->rows.rows[i].slot, &slot))
            draw_row(screen, &slot, columns, line++);
}

static void draw_foot(const struct screen *screen)
{
    char text[BOARD_LINE_MAX];

    if (screen->is_typing)
        snprintf(text, sizeof(text), "filter: %s_  (Enter takes it, Esc does not)", screen->typed);
    else
        snprintf(text, sizeof(text), "%ssort: %s%s%s  c m i n t f sort, / filter, p pause, q quit",
                 screen->is_paused ? "PAUSED  " : "", top_sort_name(screen->sort),
                 screen->query.text[0] ? "  filter: " : "", screen->query.text);
    move(LINES - 1, 0);
    put(text, COLS - 1, false); /* the last place of the screen would make it scroll */
}

static void draw(struct screen *screen)
{
    erase();
    int line = draw_letters(screen, draw_header(screen, 0));
    if (line < LINES - 2)
        draw_table(screen, line);
    draw_foot(screen);
    refresh();
}

/* ---- keys ---- */

static void type_key(struct screen *screen, int key)
{
    size_t length = strlen(screen->typed);

    if (key == '\n' || key == '\r' || key == KEY_ENTER) {
        strcpy(screen->query.text, screen->typed);
        screen->is_typing = false;
        screen->first = 0;
    } else if (key == 27) {
        screen->is_typing = false;
    } else if (key == KEY_BACKSPACE || key == 127 || key == '\b') {
        while (length > 0 && ((unsigned char)screen->typed[--length] & 0xC0) == 0x80)
            continue;
        screen->typed[length] = '\0';
    } else if (key >= ' ' && key < 256 && length < QUERY_TEXT_MAX) {
        screen->typed[length] = (char)key;
        screen->typed[length + 1] = '\0';
    }
}

static void scroll_by(struct screen *screen, int64_t rows)
{
    int64_t first = (int64_t)screen->first + rows;
    int64_t last = (int64_t)screen->rows.count - 1;

    screen->first = first < 0 || last < 0 ? 0 : (uint32_t)(first > last ? last : first);
}

/* Returns false to end. */
static bool press_key(struct screen *screen, int key)
{
    if (screen->is_typing) {
        type_key(screen, key);
        return true;
    }
    if (top_sort_of_key(key, &screen->sort) == 0) {
        screen->first = 0;
        return true;
    }
    switch (key) {
    case 'q':
        return false;
    case 'p':
        screen->is_paused = !screen->is_paused;
        break;
    case '/':
        screen->is_typing = true;
        strcpy(screen->typed, screen->query.text);
        break;
    case KEY_UP:
        scroll_by(screen, -1);
        break;
    case KEY_DOWN:
        scroll_by(screen, 1);
        break;
    case KEY_PPAGE:
        scroll_by(screen, -(int64_t)screen->visible);
        break;
    case KEY_NPAGE:
        scroll_by(screen, screen->visible);
        break;
    case KEY_HOME:
        screen->first = 0;
        break;
    default:
        break;
    }
    return true;
}

/* ---- the loop ---- */

/* Looks again; a board that was retired is opened anew, for its supervisor may have a successor. */
static int look(struct screen *screen, struct error *error)
{
    struct ctl_board next;

    if (screen->view.reader)
        scoreboard_info(screen->view.reader, &screen->view.info);
    if (!screen->view.reader || screen->view.info.retired) {
        int r = ctl_board_open(screen->ctl, &next, error);
        if (r < 0)
            return r;
        ctl_board_close(&screen->view);
        screen->view = next;
    }
    top_sort_query(screen->sort, &screen->query);
    int r = ctl_board_take(&screen->view, &screen->query, error);
    return r < 0 ? r : top_rows_take(&screen->rows, &screen->view, screen->sort);
}

static void on_signal(int signal)
{
    (void)signal;
    is_interrupted = 1;
}

static int run_screen(struct screen *screen, struct error *error)
{
    bool goes_on = true;
    uint64_t looked_usec = 0;
    int r = look(screen, error);

    if (r < 0)
        return r;
    while (goes_on && !is_interrupted) {
        uint64_t now = clock_boottime_usec();
        if (!screen->is_paused && now - looked_usec >= screen->ctl->delay_usec) {
            r = look(screen, error);
            if (r < 0)
                return r;
            looked_usec = now;
        }
        draw(screen);
        int wait_ms = (int)(screen->ctl->delay_usec / 1000);
        timeout(screen->is_paused || wait_ms > 60000 ? 60000 : wait_ms);
        int key = getch();
        if (key == ERR || key == KEY_RESIZE)
            continue;
        enum top_sort before = screen->sort;
        goes_on = press_key(screen, key);
        /* Another order of what is on the board now; a filter too. */
        if (!screen->is_paused && (screen->sort != before || key == '\n' || key == '\r'))
            looked_usec = 0;
    }
    return 0;
}

static int run_plain(struct screen *screen, struct error *error)
{
    const char *between = "";

    while (!is_interrupted) {
        int r = look(screen, error);
        if (r == 0) {
            fputs(between, stdout);
            r = board_print(screen->ctl, &screen->view);
        }
        if (r < 0)
            return r;
        if (fflush(stdout) != 0)
            return error_sys(error, errno, "write to stdout");
        usleep((useconds_t)screen->ctl->delay_usec);
        between = "\n";
    }
    return 0;
}

static int run_on_terminal(struct screen *screen, struct error *error)
{
    const struct sigaction action = {.sa_handler = on_signal};
    SCREEN *terminal = newterm(NULL, stdout, stdin);

    if (!terminal)
        return run_plain(screen, error);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    cbreak();
    noecho();
    nonl();
    keypad(stdscr, TRUE);
    set_escdelay(50);
    curs_set(0);
    int r = run_screen(screen, error);
    endwin();
    delscreen(terminal);
    return r;
}

int ctl_top(const struct ctl *ctl, int count, char **args)
{
    struct screen screen = {.ctl = ctl, .tenant = count ? args[0] : NULL};
    const char *terminal = getenv("TERM");
    struct error error = ERROR_INIT;
    int r;

    if (ctl->output >= CTL_OUTPUT_JSON)
        return ctl_usage(ctl, "top is for people; containerctl status -o json is for programs");
    if (board_query(ctl, screen.tenant, &screen.query, &error) < 0)
        return ctl_usage(ctl, "%s", error.message);
    setlocale(LC_CTYPE, "");
    bool is_screen = ctl->is_stdout_terminal && isatty(STDIN_FILENO) && terminal &&
                     strcmp(terminal, "dumb") != 0;
    r = is_screen ? run_on_terminal(&screen, &error) : run_plain(&screen, &error);
    top_rows_free(&screen.rows);
    ctl_board_close(&screen.view);
    if (r == -ENOMEM && !error.code)
        error_sys(&error, ENOMEM, "show the board");
    return r < 0 ? ctl_fail(ctl, NULL, r, CONTROL_OK, &error) : CTL_OK;
}
