/* OME-XML through libxml2. Elements are found by their local names, so that every version of the schema is read.
 * Lengths arrive in the unit that stands beside them (default: micrometres; wavelengths: nanometres). */
#include "io/ome_xml.h"

#include <libxml/parser.h>
#include <libxml/tree.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/units.h"

enum { LARGEST = 32 << 20 };

static const char *text_of(const xmlChar *text) { return (const char *)text; }

/* The first element named `name` from `node` on along its siblings. */
static xmlNode *find_element(xmlNode *node, const char *name) {
    for (; node; node = node->next)
        if (node->type == XML_ELEMENT_NODE && strcmp(text_of(node->name), name) == 0) return node;
    return NULL;
}

static xmlNode *child(const xmlNode *parent, const char *name) {
    return parent ? find_element(parent->children, name) : NULL;
}

/* Copies an attribute; false (and "") when it is absent or longer than the room. */
static bool attribute(xmlNode *node, const char *name, char *value, size_t room) {
    value[0] = '\0';
    xmlChar *text = xmlGetNoNsProp(node, (const xmlChar *)name);
    if (!text) return false;
    const size_t length = strlen(text_of(text));
    const bool fits = length < room;
    if (fits) memcpy(value, text, length + 1);
    xmlFree(text);
    return fits;
}

/* A whole number >= 0, or `absent`; -1 when it is something else. */
static int64_t integer(xmlNode *node, const char *name, int64_t absent) {
    char value[32], *end;
    if (!attribute(node, name, value, sizeof value)) return absent;
    const long long number = strtoll(value, &end, 10);
    return end != value && *end == '\0' && number >= 0 && number <= INT32_MAX ? number : -1;
}

static double number(xmlNode *node, const char *name) {
    char value[64];
    return attribute(node, name, value, sizeof value) ? tk_positive_number(value) : 0;
}

/* A quantity in the unit given by the attribute NAMEUnit; `unit` converts, `usual` is the unit when none is named. */
static double quantity(xmlNode *node, const char *name, double (*unit)(const char *), double usual) {
    char unit_name[64], value[64];
    const double count = number(node, name);
    if (snprintf(unit_name, sizeof unit_name, "%sUnit", name) >= (int)sizeof unit_name) return 0;
    return attribute(node, unit_name, value, sizeof value) ? count * unit(value) : count * usual;
}

static tk_status read_sizes(xmlNode *pixels, const char *file, tk_ome *ome, tk_image_info *info, tk_error *error) {
    ome->width = integer(pixels, "SizeX", 0);
    ome->height = integer(pixels, "SizeY", 0);
    ome->planes[0] = integer(pixels, "SizeZ", 1);
    ome->planes[1] = integer(pixels, "SizeC", 1);
    ome->planes[2] = integer(pixels, "SizeT", 1);
    if (ome->width < 1 || ome->height < 1 || ome->planes[0] < 1 || ome->planes[1] < 1 || ome->planes[2] < 1)
        return tk_fail(error, TK_UNREADABLE, "%s: the OME-XML states no valid SizeX, SizeY, SizeZ, SizeC and SizeT",
                       file);
    static const char *const orders[] = {"XYZCT", "XYZTC", "XYCZT", "XYCTZ", "XYTZC", "XYTCZ"};
    bool known = false;
    if (!attribute(pixels, "DimensionOrder", ome->order, sizeof ome->order))
        memcpy(ome->order, orders[0], sizeof ome->order);
    for (int i = 0; i < 6; i++) known = known || strcmp(ome->order, orders[i]) == 0;
    if (!known) return tk_fail(error, TK_UNREADABLE, "%s: the OME-XML's DimensionOrder is not valid", file);
    info->size[TK_Z] = ome->planes[0];
    info->size[TK_Y] = ome->height;
    info->size[TK_X] = ome->width;
    info->voxel_um[TK_Z] = quantity(pixels, "PhysicalSizeZ", tk_unit_um, 1);
    info->voxel_um[TK_Y] = quantity(pixels, "PhysicalSizeY", tk_unit_um, 1);
    info->voxel_um[TK_X] = quantity(pixels, "PhysicalSizeX", tk_unit_um, 1);
    info->time_step_s = quantity(pixels, "TimeIncrement", tk_unit_seconds, 1);
    return TK_OK;
}

static tk_status read_channels(xmlNode *pixels, const char *file, const tk_ome *ome, tk_image_info *info,
                               tk_error *error) {
    xmlNode *channel = child(pixels, "Channel");
    if (!channel) return TK_OK;
    /* SizeC is what the file says; the elements are what it holds: space for these only. */
    int64_t count = 0;
    for (xmlNode *at = channel; at; at = find_element(at->next, "Channel"), count++)
        if (integer(at, "SamplesPerPixel", 1) > 1)
            return tk_fail(error, TK_UNREADABLE,
                           "%s: this is a colour image (SamplesPerPixel > 1); split its channels first", file);
    if (count != ome->planes[1]) return TK_OK;
    info->channel = calloc((size_t)count, sizeof *info->channel);
    if (!info->channel) return tk_fail_memory(error, "channels");
    info->channels = count;
    for (int64_t i = 0; i < count; i++, channel = find_element(channel->next, "Channel")) {
        char name[256];
        info->channel[i].emission_nm = quantity(channel, "EmissionWavelength", tk_unit_um, 1e-3) * 1e3;
        info->channel[i].excitation_nm = quantity(channel, "ExcitationWavelength", tk_unit_um, 1e-3) * 1e3;
        if (!attribute(channel, "Name", name, sizeof name) || !name[0]) continue;
        info->channel[i].name = strdup(name);
        if (!info->channel[i].name) return tk_fail_memory(error, "channels");
    }
    return TK_OK;
}

/* Refractive index of the medium's name, at 23 degrees and 589 nm; 0 = unknown. */
static double medium_index(const char *medium) {
    static const struct {
        const char *name;
        double index;
    } media[] = {{"Air", 1.0}, {"Water", 1.333}, {"WaterDipping", 1.333}, {"Glycerol", 1.473}, {"Oil", 1.518}};
    for (size_t i = 0; i < sizeof media / sizeof *media; i++)
        if (strcmp(media[i].name, medium) == 0) return media[i].index;
    return 0;
}

/* The Objective of that ID in any Instrument; with an empty ID, none. */
static xmlNode *find_objective(xmlNode *root, const char *id) {
    char found[128];
    for (xmlNode *instrument = child(root, "Instrument"); instrument;
         instrument = find_element(instrument->next, "Instrument"))
        for (xmlNode *objective = child(instrument, "Objective"); objective;
             objective = find_element(objective->next, "Objective"))
            if (attribute(objective, "ID", found, sizeof found) && strcmp(found, id) == 0) return objective;
    return NULL;
}

static void read_objective(xmlNode *root, xmlNode *image, tk_image_info *info) {
    char id[128], medium[64];
    xmlNode *settings = child(image, "ObjectiveSettings");
    if (!settings) return;
    info->refractive_index = number(settings, "RefractiveIndex");
    if (info->refractive_index == 0 && attribute(settings, "Medium", medium, sizeof medium))
        info->refractive_index = medium_index(medium);
    xmlNode *objective = attribute(settings, "ID", id, sizeof id) ? find_objective(root, id) : NULL;
    if (!objective) return;
    info->na = number(objective, "LensNA");
    if (info->refractive_index == 0 && attribute(objective, "Immersion", medium, sizeof medium))
        info->refractive_index = medium_index(medium);
}

/* Is the plane in another file of a set? By UUID where the document has one of its own, else by the file's name, which
 * people change. */
static tk_status check_same_file(xmlNode *root, xmlNode *data, const char *file, tk_error *error) {
    xmlNode *uuid = child(data, "UUID");
    if (!uuid) return TK_OK;
    char own[128], name[256];
    const bool named = attribute(uuid, "FileName", name, sizeof name);
    xmlChar *text = xmlNodeGetContent(uuid);
    const char *slash = strrchr(file, '/');
    bool same = named && strcmp(name, slash ? slash + 1 : file) == 0;
    if (attribute(root, "UUID", own, sizeof own))
        same = same || (text && strstr(text_of(text), own) != NULL);
    else
        same = same || !named;
    xmlFree(text);
    if (same) return TK_OK;
    return tk_fail(error, TK_UNREADABLE,
                   "%s: part of the image lies in other files ('%s'): multi-file OME-TIFF is not read (join the set "
                   "into one file first, for instance with bfconvert)",
                   file, name);
}

static tk_status read_data(xmlNode *root, xmlNode *pixels, const char *file, tk_ome *ome, tk_error *error) {
    for (xmlNode *at = child(pixels, "TiffData"); at; at = find_element(at->next, "TiffData")) ome->data_count++;
    if (ome->data_count == 0) return TK_OK;
    ome->data = calloc((size_t)ome->data_count, sizeof *ome->data);
    if (!ome->data) return tk_fail_memory(error, "metadata");
    xmlNode *at = child(pixels, "TiffData");
    for (int64_t i = 0; i < ome->data_count; i++, at = find_element(at->next, "TiffData")) {
        TK_TRY(check_same_file(root, at, file, error));
        tk_ome_data *data = &ome->data[i];
        const bool has_ifd = xmlHasProp(at, (const xmlChar *)"IFD") != NULL;
        *data = (tk_ome_data){integer(at, "IFD", 0),
                              {integer(at, "FirstZ", 0), integer(at, "FirstC", 0), integer(at, "FirstT", 0)},
                              integer(at, "PlaneCount", has_ifd ? 1 : 0)};
        bool valid = data->ifd >= 0 && data->count >= 0;
        for (int axis = 0; axis < 3; axis++)
            valid = valid && data->first[axis] >= 0 && data->first[axis] < ome->planes[axis];
        if (!valid) return tk_fail(error, TK_UNREADABLE, "%s: the OME-XML has a TiffData that is not valid", file);
    }
    return TK_OK;
}

static tk_status read_document(xmlDoc *document, const char *file, tk_ome *ome, tk_image_info *info, tk_error *error) {
    xmlNode *root = xmlDocGetRootElement(document);
    char other[256];
    if (!root || strcmp(text_of(root->name), "OME") != 0)
        return tk_fail(error, TK_UNREADABLE, "%s: its metadata begin like OME-XML but are not", file);
    xmlNode *elsewhere = child(root, "BinaryOnly");
    if (elsewhere) {
        (void)attribute(elsewhere, "MetadataFile", other, sizeof other);
        return tk_fail(error, TK_UNREADABLE,
                       "%s: this is one file of a multi-file set, described in '%s': such sets are not read (join the "
                       "set into one file first, for instance with bfconvert)",
                       file, other);
    }
    xmlNode *image = child(root, "Image"), *pixels = child(image, "Pixels");
    if (!pixels) return tk_fail(error, TK_UNREADABLE, "%s: its OME-XML describes no image", file);
    TK_TRY(read_sizes(pixels, file, ome, info, error));
    TK_TRY(read_channels(pixels, file, ome, info, error));
    read_objective(root, image, info);
    info->channels = ome->planes[1];
    info->times = ome->planes[2];
    return read_data(root, pixels, file, ome, error);
}

bool tk_ome_is_xml(const char *text) {
    while (*text == ' ' || *text == '\n' || *text == '\r' || *text == '\t') text++;
    if (strncmp(text, "\357\273\277", 3) == 0) text += 3;
    return *text == '<' && strstr(text, "<OME") != NULL;
}

tk_status tk_ome_parse(const char *text, const char *file, tk_ome *ome, tk_image_info *info, tk_error *error) {
    *ome = (tk_ome){0};
    const size_t size = strlen(text);
    if (size > LARGEST) return tk_fail(error, TK_UNREADABLE, "%s: its OME-XML is larger than 32 MiB", file);
    xmlDoc *document =
        xmlReadMemory(text, (int)size, NULL, NULL, XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING);
    /* A document type is never part of OME-XML, and the door through which entities come. */
    tk_status status;
    if (!document || document->intSubset || document->extSubset)
        status = tk_fail(error, TK_UNREADABLE, "%s: its OME-XML is damaged", file);
    else
        status = read_document(document, file, ome, info, error);
    xmlFreeDoc(document);
    if (status != TK_OK) tk_ome_clear(ome);
    return status;
}

/* Moves z c t on by one plane in DimensionOrder; false after the last plane. */
static bool next_plane(const tk_ome *ome, int64_t at[3]) {
    for (int i = 2; i < 5; i++) {
        const int axis = ome->order[i] == 'Z' ? 0 : ome->order[i] == 'C' ? 1 : 2;
        if (++at[axis] < ome->planes[axis]) return true;
        at[axis] = 0;
    }
    return false;
}

static tk_status map_data(const tk_ome *ome, const tk_ome_data *data, const char *file, int64_t pages, int64_t *page,
                          tk_error *error) {
    int64_t at[3] = {data->first[0], data->first[1], data->first[2]};
    bool inside = true;
    for (int64_t i = 0; inside && (data->count == 0 || i < data->count); i++) {
        const int64_t named = data->ifd + i;
        if (named >= pages) {
            if (data->count == 0) return TK_OK; /* the planes that lack a page are told below */
            return tk_fail(error, TK_UNREADABLE,
                           "%s: planes are missing: the OME-XML names page %lld, the file has %lld (truncated?)", file,
                           (long long)named, (long long)pages);
        }
        int64_t *place = &page[(at[2] * ome->planes[1] + at[1]) * ome->planes[0] + at[0]];
        if (*place >= 0)
            return tk_fail(error, TK_UNREADABLE, "%s: the OME-XML gives plane z c t = %lld %lld %lld two pages", file,
                           (long long)at[0], (long long)at[1], (long long)at[2]);
        *place = named;
        inside = next_plane(ome, at);
    }
    return TK_OK;
}

tk_status tk_ome_map(const tk_ome *ome, const char *file, int64_t pages, int64_t *page, tk_error *error) {
    const int64_t planes = ome->planes[0] * ome->planes[1] * ome->planes[2];
    for (int64_t i = 0; i < planes; i++) page[i] = -1;
    const tk_ome_data all = {0};
    if (ome->data_count == 0) TK_TRY(map_data(ome, &all, file, pages, page, error));
    for (int64_t i = 0; i < ome->data_count; i++) TK_TRY(map_data(ome, &ome->data[i], file, pages, page, error));
    for (int64_t i = 0; i < planes; i++)
        if (page[i] < 0)
            return tk_fail(error, TK_UNREADABLE,
                           "%s: planes are missing: plane z c t = %lld %lld %lld has no page (truncated?)", file,
                           (long long)(i % ome->planes[0]), (long long)(i / ome->planes[0] % ome->planes[1]),
                           (long long)(i / ome->planes[0] / ome->planes[1]));
    return TK_OK;
}

void tk_ome_clear(tk_ome *ome) {
    free(ome->data);
    *ome = (tk_ome){0};
}
