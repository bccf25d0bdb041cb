/* Texts and exit codes of the statuses, from the one list in status.h. */
#include "kernels/common/status.h"

static const struct {
    const char *text;
    int exit_code;
} statuses[] = {
#define TK_STATUS_ROW(name, exit_code, text) {text, exit_code},
    TK_STATUS_LIST(TK_STATUS_ROW)
#undef TK_STATUS_ROW
};

const char *tk_status_text(tk_status status) {
    return (unsigned)status < TK_STATUS_COUNT ? statuses[status].text : "unknown status";
}

int tk_status_exit_code(tk_status status) {
    return (unsigned)status < TK_STATUS_COUNT ? statuses[status].exit_code : 1;
}
