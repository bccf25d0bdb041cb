/* Step measure: the table of the combined surveys. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/measure/crofton.h"
#include "kernels/measure/shape.h"
#include "workflows/steps/measure_state.h"

/* What is known of one object. */
typedef struct row {
    const tk_measure_state *state;
    const tk_object *object;
    tk_object_axes axes;
    double size;             /* volume, in a plane area, in the unit of lengths */
    double surface, contact; /* areas, in a plane lengths */
    int64_t neighbours;
    int channel; /* for columns of intensity */
} row;

/* When there is a column. */
enum {
    SERIES = 1,
    BASIC = 2,
    PHYSICAL = 4,
    SHAPE = 8,
    SURFACE = 16,
    FERET = 32,
    NEIGHBOURS = 64,
    INTENSITY = 128,
    DISTRIBUTION = 256,
    VOLUME = 512, /* not in a plane … */
    PLANE = 1024  /* … or only there */
};

typedef struct column {
    const char *name, *unit, *description;
    tk_dtype type;
    unsigned when;
    double (*value)(const row *r, int index);
    int index;
} column;

static double time_of(const row *r, int index) { return (void)index, (double)r->object->time; }
static double label_of(const row *r, int index) { return (void)index, (double)r->object->label; }
static double area_of(const row *r, int index) { return (void)index, (double)r->object->count; }
static double centroid_of(const row *r, int axis) { return tk_object_centroid(r->object, axis); }
static double first_of(const row *r, int axis) { return (double)r->object->lo[axis]; }
static double behind_of(const row *r, int axis) { return (double)r->object->hi[axis]; }

static double volume_of(const row *r, int index) {
    const double *um = r->state->voxel_um;
    return (void)index, (double)r->object->count * (um[0] * um[1] * um[2]);
}

static double place_of(const row *r, int axis) { return centroid_of(r, axis) * r->state->voxel_um[axis]; }

static double equivalent_diameter_of(const row *r, int index) {
    return (void)index, tk_equivalent_diameter(r->size, r->state->planar);
}

static double extent_of(const row *r, int index) {
    double box = 1;
    for (int a = 0; a < 3; a++) box *= (double)(r->object->hi[a] - r->object->lo[a]);
    return (void)index, (double)r->object->count / box;
}

static double axis_of(const row *r, int index) { return r->axes.axis[index]; }
static double inertia_of(const row *r, int index) { return r->axes.inertia[index]; }
static double direction_of(const row *r, int axis) { return r->axes.direction[axis]; }
static double orientation_of(const row *r, int index) { return (void)index, r->axes.orientation; }

static double eccentricity_of(const row *r, int index) {
    const double *l = r->axes.inertia;
    return (void)index, l[0] > 0 ? sqrt(1 - l[1] / l[0]) : 0;
}

static double surface_of(const row *r, int index) { return (void)index, r->surface; }

static double sphericity_of(const row *r, int index) {
    return (void)index, tk_sphericity(r->size, r->surface, r->state->planar);
}

static double euler_of(const row *r, int index) {
    const tk_object_cells *cells = tk_object_surface_of(&r->state->spec.layout, r->object);
    const int64_t euler = cells->number[TK_OBJECTS_DIRECTIONS + index] / 8; /* counted in eighths; whole in all */
    return (double)euler;
}

static double feret_of(const row *r, int index) {
    return (void)index, tk_object_feret(tk_object_extremes_of(&r->state->spec.layout, r->object), r->state->voxel);
}

static double neighbours_of(const row *r, int index) { return (void)index, (double)r->neighbours; }
static double contact_of(const row *r, int index) { return (void)index, r->contact; }

static const tk_object_intensity *intensity_of(const row *r) {
    return tk_object_intensity_of(&r->state->spec.layout, r->object, r->channel);
}

static double extreme_of(const row *r, int index) {
    const tk_object_intensity *i = intensity_of(r);
    return !(i->min <= i->max) ? (double)NAN : index ? (double)i->max : (double)i->min;
}

/* A sum with an infinity or a NaN in it is not a number of ours to give: NaN. */
static double sum_of(const row *r, int index) {
    return (void)index, tk_intensity_sum(intensity_of(r), r->state->spec.exponent[r->channel]);
}

static double mean_of(const row *r, int index) { return sum_of(r, index) / (double)r->object->count; }

static double deviation_of(const row *r, int index) {
    const tk_object_spread *spread = tk_object_spread_of(&r->state->spec.layout, r->object, r->channel);
    return (void)index, intensity_of(r)->not_finite
                            ? (double)NAN
                            : tk_intensity_deviation(r->object->count, spread, r->state->spec.exponent[r->channel]);
}

static double centre_of(const row *r, int axis) {
    return tk_intensity_centre(intensity_of(r), tk_object_spread_of(&r->state->spec.layout, r->object, r->channel),
                               axis);
}

/* Lengths are in micrometres where the voxel size is known, else in voxels. */
static const column columns[] = {
    {"t", "", "time point, as the image numbers it", TK_I64, SERIES, time_of, 0},
    {"label", "", "number of the object", TK_U32, BASIC, label_of, 0},
    {"area", "voxel", "voxels of the object", TK_I64, BASIC, area_of, 0},
    {"centroid-0", "voxel", "mean index along z", TK_F64, BASIC, centroid_of, 0},
    {"centroid-1", "voxel", "mean index along y", TK_F64, BASIC, centroid_of, 1},
    {"centroid-2", "voxel", "mean index along x", TK_F64, BASIC, centroid_of, 2},
    {"bbox-0", "voxel", "first index of the bounding box along z", TK_I64, BASIC, first_of, 0},
    {"bbox-1", "voxel", "first index of the bounding box along y", TK_I64, BASIC, first_of, 1},
    {"bbox-2", "voxel", "first index of the bounding box along x", TK_I64, BASIC, first_of, 2},
    {"bbox-3", "voxel", "index behind the bounding box along z", TK_I64, BASIC, behind_of, 0},
    {"bbox-4", "voxel", "index behind the bounding box along y", TK_I64, BASIC, behind_of, 1},
    {"bbox-5", "voxel", "index behind the bounding box along x", TK_I64, BASIC, behind_of, 2},
    {"volume", "um^3", "volume of the object's voxels", TK_F64, PHYSICAL, volume_of, 0},
    {"centroid_z", "um", "centroid from the centre of the first voxel along z", TK_F64, PHYSICAL, place_of, 0},
    {"centroid_y", "um", "centroid from the centre of the first voxel along y", TK_F64, PHYSICAL, place_of, 1},
    {"centroid_x", "um", "centroid from the centre of the first voxel along x", TK_F64, PHYSICAL, place_of, 2},
    {"equivalent_diameter_area", "um", "diameter of a ball (of a disc, in a plane) of the same size", TK_F64, SHAPE,
     equivalent_diameter_of, 0},
    {"extent", "", "part of the bounding box that is in the object", TK_F64, SHAPE, extent_of, 0},
    {"axis_major_length", "um", "longest axis of the ellipsoid of the same second moments", TK_F64, SHAPE, axis_of, 0},
    {"axis_middle_length", "um", "its middle axis", TK_F64, SHAPE | VOLUME, axis_of, 1},
    {"axis_minor_length", "um", "its shortest axis", TK_F64, SHAPE | VOLUME, axis_of, 2},
    {"axis_minor_length", "um", "shortest axis of the ellipse", TK_F64, SHAPE | PLANE, axis_of, 1},
    {"inertia_tensor_eigvals-0", "um^2", "largest eigenvalue of the inertia tensor, over the size", TK_F64, SHAPE,
     inertia_of, 0},
    {"inertia_tensor_eigvals-1", "um^2", "the next eigenvalue", TK_F64, SHAPE, inertia_of, 1},
    {"inertia_tensor_eigvals-2", "um^2", "the smallest eigenvalue", TK_F64, SHAPE | VOLUME, inertia_of, 2},
    {"axis_major-0", "", "direction of the longest axis in space: z", TK_F64, SHAPE | VOLUME, direction_of, 0},
    {"axis_major-1", "", "direction of the longest axis in space: y", TK_F64, SHAPE | VOLUME, direction_of, 1},
    {"axis_major-2", "", "direction of the longest axis in space: x", TK_F64, SHAPE | VOLUME, direction_of, 2},
    {"orientation", "rad", "angle from the axis y to the longest axis", TK_F64, SHAPE | PLANE, orientation_of, 0},
    {"eccentricity", "", "of the ellipse", TK_F64, SHAPE | PLANE, eccentricity_of, 0},
    {"surface_area", "um^2", "area of the surface (Crofton, 13 directions)", TK_F64, SURFACE | VOLUME, surface_of, 0},
    {"perimeter_crofton", "um", "perimeter (Crofton, 4 directions)", TK_F64, SURFACE | PLANE, surface_of, 0},
    {"sphericity", "", "surface of a ball of the same volume over surface_area", TK_F64, SURFACE | VOLUME,
     sphericity_of, 0},
    {"circularity", "", "4 pi area / perimeter^2", TK_F64, SURFACE | PLANE, sphericity_of, 0},
    {"euler_number", "", "Euler number, voxels joined by corners too", TK_I64, SURFACE, euler_of, 0},
    {"euler_number_faces", "", "Euler number, voxels joined by faces only", TK_I64, SURFACE, euler_of, 1},
    {"feret_diameter_max", "um", "largest distance between points of the object, from 32 directions", TK_F64, FERET,
     feret_of, 0},
    {"neighbours", "", "other objects that it touches, by corners too", TK_I64, NEIGHBOURS, neighbours_of, 0},
    {"contact_area", "um^2", "area of the surface that is shared with other objects", TK_F64, NEIGHBOURS | VOLUME,
     contact_of, 0},
    {"contact_length", "um", "length of the perimeter that is shared with other objects", TK_F64, NEIGHBOURS | PLANE,
     contact_of, 0},
    {"intensity_min", "", "smallest intensity", TK_F32, INTENSITY, extreme_of, 0},
    {"intensity_max", "", "largest intensity", TK_F32, INTENSITY, extreme_of, 1},
    {"intensity_mean", "", "mean intensity", TK_F64, INTENSITY, mean_of, 0},
    {"intensity_sum", "", "sum of intensities", TK_F64, INTENSITY, sum_of, 0},
    {"intensity_std", "", "standard deviation of the intensities", TK_F64, DISTRIBUTION, deviation_of, 0},
    {"centroid_weighted-0", "voxel", "mean index along z, weighted by intensity", TK_F64, DISTRIBUTION, centre_of, 0},
    {"centroid_weighted-1", "voxel", "mean index along y, weighted by intensity", TK_F64, DISTRIBUTION, centre_of, 1},
    {"centroid_weighted-2", "voxel", "mean index along x, weighted by intensity", TK_F64, DISTRIBUTION, centre_of, 2},
};

enum { COLUMNS = sizeof columns / sizeof *columns, COLUMNS_MOST = COLUMNS + TK_OBJECTS_CHANNELS * TK_MEASURE_NAMES };

static bool is_of_intensity(const column *c) { return (c->when & (INTENSITY | DISTRIBUTION)) != 0; }

static bool is_wanted(const tk_measure_state *s, const column *c) {
    const tk_measure_groups *g = &s->groups;
    const bool known = s->voxel_um[0] > 0 && s->voxel_um[1] > 0 && s->voxel_um[2] > 0;
    const unsigned groups = BASIC | INTENSITY | (s->several ? SERIES : 0U) | (known ? PHYSICAL : 0U) |
                            (g->shape ? SHAPE : 0U) | (g->surface ? SURFACE : 0U) | (g->feret ? FERET : 0U) |
                            (g->neighbours ? NEIGHBOURS : 0U) | (g->distribution ? DISTRIBUTION : 0U);
    return (c->when & groups) && !(c->when & (s->planar ? VOLUME : PLANE));
}

/* "intensity_mean-deconvolve" where there are several images. */
tk_status tk_measure_name_columns(tk_measure_state *s, const tk_params *params, tk_error *error) {
    for (int channel = 0; s->spec.layout.channels > 1 && channel < s->spec.layout.channels; channel++) {
        char *image = tk_params_name(params, "intensity", channel);
        bool made = image != NULL;
        for (int i = 0, n = 0; made && i < COLUMNS; i++) {
            if (!is_of_intensity(&columns[i])) continue;
            made = asprintf(&s->name[channel][n], "%s-%s", columns[i].name, image) >= 0;
            if (!made) s->name[channel][n] = NULL;
            n++;
        }
        free(image);
        if (!made) return tk_fail_memory(error, "the step measure");
    }
    return TK_OK;
}

/* The columns of a table, and what each is filled from. */
typedef struct plan {
    int count;
    tk_column column[COLUMNS_MOST];
    const column *source[COLUMNS_MOST];
    int channel[COLUMNS_MOST];
} plan;

static const char *unit_of(const tk_measure_state *s, const column *c) {
    if (s->physical || (c->when & PHYSICAL)) return c->unit;
    return !strcmp(c->unit, "um") ? "voxel" : !strcmp(c->unit, "um^2") ? "voxel^2" : c->unit;
}

static void add_column(const tk_measure_state *s, plan *p, const column *c, const char *name, int channel) {
    p->column[p->count] = (tk_column){name ? name : c->name, unit_of(s, c), c->description, c->type, NULL};
    p->source[p->count] = c;
    p->channel[p->count++] = channel;
}

static void plan_columns(const tk_measure_state *s, plan *p) {
    p->count = 0;
    for (int i = 0; i < COLUMNS; i++)
        if (!is_of_intensity(&columns[i]) && is_wanted(s, &columns[i])) add_column(s, p, &columns[i], NULL, 0);
    for (int channel = 0; channel < s->spec.layout.channels; channel++)
        for (int i = 0, n = 0; i < COLUMNS; i++) {
            if (!is_of_intensity(&columns[i])) continue;
            if (is_wanted(s, &columns[i])) add_column(s, p, &columns[i], s->name[channel][n], channel);
            n++;
        }
}

static void set(tk_column *to, int64_t at, double value) {
    if (to->type == TK_U32) ((uint32_t *)to->data)[at] = (uint32_t)value;
    if (to->type == TK_I64) ((int64_t *)to->data)[at] = (int64_t)value;
    if (to->type == TK_F32) ((float *)to->data)[at] = (float)value;
    if (to->type == TK_F64) ((double *)to->data)[at] = value;
}

/* What all objects of a table share. */
typedef struct sources {
    tk_measure_head head;
    const void *records;
    const tk_object_pair *pairs;
    int64_t *neighbours; /* of each record */
    double weight[TK_OBJECTS_DIRECTIONS];
} sources;

static const tk_object *object_at(const tk_measure_state *s, const sources *from, int64_t i) {
    return (const tk_object *)(const void *)((const char *)from->records + (size_t)i * s->spec.layout.size);
}

/* The record of a label: it is there, for whoever touches has a voxel in the same cell. */
static int64_t find(const tk_measure_state *s, const sources *from, uint32_t time, uint32_t label) {
    int64_t lo = 0, hi = from->head.objects - 1;
    while (lo < hi) {
        const int64_t mid = lo + (hi - lo) / 2;
        const tk_object *o = object_at(s, from, mid);
        if (o->time < time || (o->time == time && o->label < label))
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

static tk_status count_neighbours(const tk_measure_state *s, sources *from, tk_error *error) {
    from->neighbours = calloc((size_t)from->head.objects + 1, sizeof *from->neighbours);
    if (!from->neighbours) return tk_fail_memory(error, "the table of neighbours");
    for (int64_t i = 0; i < from->head.pairs && from->head.objects > 0; i++) {
        const tk_object_pair *p = &from->pairs[i];
        from->neighbours[find(s, from, p->time, p->a)]++;
        from->neighbours[find(s, from, p->time, p->b)]++;
    }
    return TK_OK;
}

static row row_of(const tk_measure_state *s, const sources *from, int64_t i) {
    const tk_object_layout *l = &s->spec.layout;
    const tk_object *o = object_at(s, from, i);
    const double *v = s->voxel;
    row r = {.state = s, .object = o, .neighbours = from->neighbours[i]};
    r.size = (double)o->count * (s->planar ? v[1] * v[2] : v[0] * v[1] * v[2]);
    if (l->moments) r.axes = tk_object_axes_of(o, tk_object_moments_of(l, o), v, s->planar);
    if (l->surface) r.surface = tk_crofton_sum(tk_object_surface_of(l, o), from->weight);
    if (l->contact) r.contact = tk_crofton_sum(tk_object_contact_of(l, o), from->weight);
    return r;
}

/* Objects without voxels belong to tiles that could not be made. */
static int64_t count_rows(const tk_measure_state *s, const sources *from) {
    int64_t rows = 0;
    for (int64_t i = 0; i < from->head.objects; i++) rows += object_at(s, from, i)->count > 0;
    return rows;
}

static tk_status fill(const tk_measure_state *s, const sources *from, tk_table *table, tk_error *error) {
    plan p;
    plan_columns(s, &p);
    TK_TRY(tk_table_make(count_rows(s, from), p.column, p.count, table, error));
    for (int64_t i = 0, at = 0; i < from->head.objects; i++) {
        if (object_at(s, from, i)->count == 0) continue;
        row r = row_of(s, from, i);
        for (int c = 0; c < p.count; c++) {
            r.channel = p.channel[c];
            set(&table->column[c], at, p.source[c]->value(&r, p.source[c]->index));
        }
        at++;
    }
    return TK_OK;
}

tk_status tk_measure_tabulate(const void *state, const tk_bytes *combined, tk_table *table, tk_error *error) {
    const tk_measure_state *s = state;
    sources from = {.head = {0, 0}};
    if (combined->size > 0 && !tk_measure_open(s, combined, &from.head, &from.records, &from.pairs))
        return tk_fail(error, TK_FAILED, "measure: the survey is damaged");
    if (s->groups.surface || s->groups.neighbours) tk_crofton_weights(s->voxel, s->planar, from.weight);
    tk_status status = count_neighbours(s, &from, error);
    if (status == TK_OK) status = fill(s, &from, table, error);
    free(from.neighbours);
    return status;
}
