/* Site profiles: strict YAML into a tk_site. Each key of a profile is a row of a table. */
#include "engine/planning/site.h"

#include <errno.h>
#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "engine/planning/site_profiles.h"
#include "engine/syntax/document.h"
#include "engine/syntax/quantity.h"
#include "engine/syntax/suggest.h"

typedef struct reading {
    const char *file;
    tk_error *error;
} reading;

#define FAIL(r, node, ...) tk_node_fail((r)->file, node, (r)->error, __VA_ARGS__)

/* How a key's value is read into the place in a struct. */
typedef struct field {
    const char *key;
    tk_status (*read)(const reading *r, const tk_node *node, void *place);
    size_t offset;
    bool required;
} field;

static tk_status read_text(const reading *r, const tk_node *node, void *place) {
    char **text = place;
    if (node->type != TK_NODE_SCALAR) return FAIL(r, node, "expected a text");
    if (strpbrk(node->text, "\n\r")) return FAIL(r, node, "expected a text of one line");
    *text = strdup(node->text);
    return *text ? TK_OK : tk_fail_memory(r->error, r->file);
}

static tk_status read_flag(const reading *r, const tk_node *node, void *place) {
    bool *flag = place;
    *flag = node->type == TK_NODE_SCALAR && !strcmp(node->text, "true");
    if (*flag || (node->type == TK_NODE_SCALAR && !strcmp(node->text, "false"))) return TK_OK;
    return FAIL(r, node, "expected true or false");
}

static tk_status read_account(const reading *r, const tk_node *node, void *place) {
    bool *required = place;
    *required = node->type == TK_NODE_SCALAR && !strcmp(node->text, "required");
    if (*required || (node->type == TK_NODE_SCALAR && !strcmp(node->text, "optional"))) return TK_OK;
    return FAIL(r, node, "account: expected required or optional");
}

static tk_status read_count(const reading *r, const tk_node *node, void *place) {
    int64_t *count = place;
    char *end = NULL;
    errno = 0;
    if (node->type == TK_NODE_SCALAR) *count = strtoll(node->text, &end, 10);
    if (!end || end == node->text || *end || errno || *count < 1 || *count > 1000000000)
        return FAIL(r, node, "expected a whole number from 1 on");
    return TK_OK;
}

static tk_status read_bytes(const reading *r, const tk_node *node, void *place) {
    if (node->type == TK_NODE_SCALAR && tk_quantity_bytes(node->text, place)) return TK_OK;
    return FAIL(r, node, "expected a size with its unit, as in 224 GiB");
}

static tk_status read_seconds(const reading *r, const tk_node *node, void *place) {
    if (node->type == TK_NODE_SCALAR && tk_quantity_seconds(node->text, place)) return TK_OK;
    return FAIL(r, node, "expected a time with its unit, as in 36 h");
}

static tk_status read_number(const reading *r, const tk_node *node, void *place) {
    double *number = place;
    char *end = NULL;
    if (node->type == TK_NODE_SCALAR) *number = strtod(node->text, &end);
    if (!end || end == node->text || *end || !isfinite(*number) || *number < 0)
        return FAIL(r, node, "expected a number that is not negative");
    return TK_OK;
}

static tk_status read_version(const reading *r, const tk_node *node, void *place) {
    (void)place;
    if (node->type == TK_NODE_SCALAR && !strcmp(node->text, "1")) return TK_OK;
    return FAIL(r, node, "this program reads site profiles of format 1");
}

static bool known_key(const field *fields, const char *key) {
    for (; fields->key; fields++)
        if (!strcmp(fields->key, key)) return true;
    return false;
}

/* Reads a map by a table. */
static tk_status read_fields(const reading *r, const tk_node *map, const char *what, const field *fields, void *to) {
    if (map->type != TK_NODE_MAP) return FAIL(r, map, "expected %s: a map", what);
    for (int i = 0; i < map->count; i++) {
        const char *best = NULL;
        int apart = 0;
        if (known_key(fields, map->keys[i].text)) continue;
        for (const field *f = fields; f->key; f++) tk_suggest(map->keys[i].text, f->key, &best, &apart);
        if (tk_suggest_is_near(map->keys[i].text, best, apart))
            return FAIL(r, &map->keys[i], "%s has no key '%s'; did you mean '%s'?", what, map->keys[i].text, best);
        return FAIL(r, &map->keys[i], "%s has no key '%s'", what, map->keys[i].text);
    }
    for (const field *f = fields; f->key; f++) {
        const tk_node *node = tk_node_get(map, f->key);
        if (!node && f->required) return FAIL(r, map, "%s needs '%s'", what, f->key);
        if (node) TK_TRY(f->read(r, node, (char *)to + f->offset));
    }
    return TK_OK;
}

/* --- Lists of texts ----------------------------------------------------------------------------------------------- */

static tk_status make_room(const reading *r, int count, char ***texts) {
    *texts = calloc((size_t)count + 1, sizeof **texts);
    return *texts ? TK_OK : tk_fail_memory(r->error, r->file);
}

static tk_status read_list(const reading *r, const tk_node *node, const char *start, char ***texts, int *count) {
    if (node->type != TK_NODE_LIST) return FAIL(r, node, "expected a list, as in [ONE, OTHER]");
    TK_TRY(make_room(r, node->count, texts));
    for (*count = 0; *count < node->count; ++*count) {
        const tk_node *item = &node->items[*count];
        TK_TRY(read_text(r, item, &(*texts)[*count]));
        if (!*item->text ||
            strspn(item->text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-+.,/=:") !=
                strlen(item->text) ||
            strncmp(item->text, start, strlen(start)) != 0)
            return ++*count, FAIL(r, item, "expected a word%s%s of letters, digits and _-+.,/=:",
                                  *start ? " that begins with " : "", start);
    }
    return TK_OK;
}

/* --- Partitions --------------------------------------------------------------------------------------------------- */

/* 1, or [1, 6]: into nodes_least and nodes_most. */
static tk_status read_nodes(const reading *r, const tk_node *node, void *place) {
    tk_partition *p = place;
    const bool range = node->type == TK_NODE_LIST && node->count == 2;
    if (!range && node->type != TK_NODE_SCALAR) return FAIL(r, node, "nodes: expected N, or [LEAST, MOST]");
    TK_TRY(read_count(r, range ? &node->items[0] : node, &p->nodes_least));
    TK_TRY(read_count(r, range ? &node->items[1] : node, &p->nodes_most));
    if (p->nodes_least > p->nodes_most) return FAIL(r, node, "nodes: the least is more than the most");
    return TK_OK;
}

static tk_status read_billing(const reading *r, const tk_node *node, void *place) {
    static const field fields[] = {
        {"core_hour", read_number, offsetof(tk_partition, units_core_hour), false},
        {"gib_hour", read_number, offsetof(tk_partition, units_gib_hour), false},
        {"node_hour", read_number, offsetof(tk_partition, units_node_hour), false},
        {NULL, NULL, 0, false},
    };
    return read_fields(r, node, "billing", fields, place);
}

static tk_status read_partition_options(const reading *r, const tk_node *node, void *place) {
    tk_partition *p = place;
    return read_list(r, node, "--", &p->option, &p->options);
}

static const field partition_fields[] = {
    {"name", read_text, offsetof(tk_partition, name), true},
    {"nodes", read_nodes, 0, true},
    {"whole_nodes", read_flag, offsetof(tk_partition, whole_nodes), false},
    {"only_named", read_flag, offsetof(tk_partition, only_named), false},
    {"cores", read_count, offsetof(tk_partition, cores), true},
    {"cores_most", read_count, offsetof(tk_partition, cores_most), false},
    {"memory", read_bytes, offsetof(tk_partition, memory), true},
    {"memory_most", read_bytes, offsetof(tk_partition, memory_most), false},
    {"memory_by_cores", read_flag, offsetof(tk_partition, memory_by_cores), false},
    {"time", read_seconds, offsetof(tk_partition, seconds_most), true},
    {"threads", read_count, offsetof(tk_partition, threads), true},
    {"billing", read_billing, 0, false},
    {"options", read_partition_options, 0, false},
    {NULL, NULL, 0, false},
};

static tk_status read_partition(const reading *r, const tk_node *node, tk_partition *p) {
    TK_TRY(read_fields(r, node, "a partition", partition_fields, p));
    if (!p->cores_most) p->cores_most = p->cores;
    if (!p->memory_most) p->memory_most = p->memory;
    if (p->cores_most > p->cores) return FAIL(r, node, "cores_most: a node has only %lld cores", (long long)p->cores);
    if (p->threads > p->cores_most)
        return FAIL(r, node, "threads: a job may take only %lld cores of a node", (long long)p->cores_most);
    if (p->whole_nodes && p->cores % p->threads)
        return FAIL(r, tk_node_get(node, "threads"), "threads: %lld does not divide a whole node's %lld cores",
                    (long long)p->threads, (long long)p->cores);
    return TK_OK;
}

static tk_status read_partitions(const reading *r, const tk_node *node, void *place) {
    tk_site *site = place;
    if (node->type != TK_NODE_LIST || node->count < 1) return FAIL(r, node, "partitions: expected a list");
    site->partition = calloc((size_t)node->count, sizeof *site->partition);
    if (!site->partition) return tk_fail_memory(r->error, r->file);
    site->partitions = node->count;
    for (int i = 0; i < node->count; i++) {
        TK_TRY(read_partition(r, &node->items[i], &site->partition[i]));
        if (tk_site_partition(site, site->partition[i].name) != &site->partition[i])
            return FAIL(r, &node->items[i], "two partitions are called '%s'", site->partition[i].name);
    }
    return TK_OK;
}

/* --- The whole profile -------------------------------------------------------------------------------------------- */

static tk_status read_modules(const reading *r, const tk_node *node, void *place) {
    tk_site *site = place;
    return read_list(r, node, "", &site->module, &site->modules);
}

static tk_status read_options(const reading *r, const tk_node *node, void *place) {
    tk_site *site = place;
    return read_list(r, node, "--", &site->option, &site->options);
}

/* Does a text stay one word between double quotes in a shell, and run no command there? */
static bool is_harmless(const char *text) { return !strpbrk(text, "\"\\`!\n") && !strstr(text, "$("); }

static bool is_name(const char *text) {
    return *text && strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_") == strlen(text) &&
           strchr("0123456789", *text) == NULL;
}

static tk_status read_environment(const reading *r, const tk_node *node, void *place) {
    tk_site *site = place;
    if (node->type != TK_NODE_MAP) return FAIL(r, node, "environment: expected {NAME: VALUE, …}");
    TK_TRY(make_room(r, node->count, &site->environment));
    for (int i = 0; i < node->count; i++) {
        const tk_node *value = &node->items[i];
        if (!is_name(node->keys[i].text)) return FAIL(r, &node->keys[i], "expected the name of a variable");
        if (value->type != TK_NODE_SCALAR || !is_harmless(value->text))
            return FAIL(r, value, "expected a value without quotes, backslashes and commands");
        if (asprintf(&site->environment[i], "%s=%s", node->keys[i].text, value->text) < 0) {
            site->environment[i] = NULL;
            return tk_fail_memory(r->error, r->file);
        }
        site->environments++;
    }
    return TK_OK;
}

static tk_status read_expression(const reading *r, const tk_node *node, void *place) {
    TK_TRY(read_text(r, node, place));
    if (!is_harmless(node->text)) return FAIL(r, node, "expected a folder, without quotes, backslashes and commands");
    return TK_OK;
}

static const field site_fields[] = {
    {"tarkka_site", read_version, 0, true},
    {"name", read_text, offsetof(tk_site, name), true},
    {"description", read_text, offsetof(tk_site, description), true},
    {"source", read_text, offsetof(tk_site, source), true},
    {"closed", read_text, offsetof(tk_site, closed), false},
    {"account", read_account, offsetof(tk_site, account_required), false},
    {"unit", read_text, offsetof(tk_site, unit), false},
    {"mpi", read_text, offsetof(tk_site, mpi), false},
    {"modules", read_modules, 0, false},
    {"environment", read_environment, 0, false},
    {"options", read_options, 0, false},
    {"local_scratch", read_expression, offsetof(tk_site, local_scratch), false},
    {"partitions", read_partitions, 0, false},
    {NULL, NULL, 0, false},
};

static tk_status fill_gaps(const reading *r, const tk_node *root, tk_site *site) {
    if (!site->unit) site->unit = strdup("billing units");
    if (!site->local_scratch) site->local_scratch = strdup("");
    if (!site->unit || !site->local_scratch) return tk_fail_memory(r->error, r->file);
    if (site->mpi && strspn(site->mpi, "abcdefghijklmnopqrstuvwxyz0123456789_") != strlen(site->mpi))
        return FAIL(r, tk_node_get(root, "mpi"), "mpi: expected a kind that srun --mpi=list shows");
    if (!site->closed && !site->partitions) return FAIL(r, root, "a site needs 'partitions', unless it is 'closed'");
    return TK_OK;
}

static tk_status find_profile(const char *name, const tk_site_profile **found, tk_error *error) {
    char names[256] = "";
    const char *best = NULL;
    int apart = 0;
    for (*found = tk_site_profiles; (*found)->name; ++*found) {
        if (!strcmp((*found)->name, name)) return TK_OK;
        tk_suggest(name, (*found)->name, &best, &apart);
        const size_t length = strlen(names);
        (void)snprintf(names + length, sizeof names - length, "%s%s", length ? ", " : "", (*found)->name);
    }
    if (tk_suggest_is_near(name, best, apart))
        return tk_fail(error, TK_USAGE, "there is no site '%s'; did you mean '%s'?", name, best);
    return tk_fail(error, TK_USAGE, "there is no site '%s'; there are %s, or a profile of one's own: FILE.yaml", name,
                   names);
}

static bool is_file(const char *name) {
    const size_t length = strlen(name);
    return strchr(name, '/') || (length > 5 && !strcmp(name + length - 5, ".yaml"));
}

tk_status tk_site_read(const char *name, tk_site *site, tk_error *error) {
    *site = (tk_site){0};
    tk_document document = {0};
    if (is_file(name)) {
        TK_TRY(tk_document_read(name, &document, error));
    } else {
        const tk_site_profile *profile = NULL;
        TK_TRY(find_profile(name, &profile, error));
        TK_TRY(tk_document_parse(profile->name, profile->text, &document, error));
    }
    const reading r = {document.name, error};
    tk_status status = read_fields(&r, &document.root, "a site", site_fields, site);
    if (status == TK_OK) status = fill_gaps(&r, &document.root, site);
    tk_document_free(&document);
    if (status != TK_OK) tk_site_free(site);
    return status;
}

static void free_texts(char **texts, int count) {
    for (int i = 0; texts && i < count; i++) free(texts[i]);
    free(texts);
}

void tk_site_free(tk_site *site) {
    char *const texts[] = {site->name,   site->description, site->source,       site->unit,
                           site->closed, site->mpi,         site->local_scratch};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) free(texts[i]);
    free_texts(site->module, site->modules);
    free_texts(site->environment, site->environments);
    free_texts(site->option, site->options);
    for (int i = 0; i < site->partitions; i++) {
        free(site->partition[i].name);
        free_texts(site->partition[i].option, site->partition[i].options);
    }
    free(site->partition);
    *site = (tk_site){0};
}

const char *tk_site_name(int i) {
    int k = 0;
    while (k < i && tk_site_profiles[k].name) k++;
    return tk_site_profiles[k].name;
}

const tk_partition *tk_site_partition(const tk_site *site, const char *name) {
    for (int i = 0; name && i < site->partitions; i++)
        if (site->partition[i].name && !strcmp(site->partition[i].name, name)) return &site->partition[i];
    return NULL;
}
