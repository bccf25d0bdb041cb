/* Attributes and element types of the result file. */
#include "io/result_file.h"

#include "io/hdf5_lock.h"

hid_t tk_hdf5_file_type(tk_dtype type) {
    switch (type) {
    case TK_U8:
        return H5T_STD_U8LE;
    case TK_I8:
        return H5T_STD_I8LE;
    case TK_U16:
        return H5T_STD_U16LE;
    case TK_I16:
        return H5T_STD_I16LE;
    case TK_U32:
        return H5T_STD_U32LE;
    case TK_I32:
        return H5T_STD_I32LE;
    case TK_U64:
        return H5T_STD_U64LE;
    case TK_I64:
        return H5T_STD_I64LE;
    case TK_F32:
        return H5T_IEEE_F32LE;
    case TK_F64:
    case TK_DTYPE_COUNT:
        break;
    }
    return H5T_IEEE_F64LE;
}

hid_t tk_hdf5_memory_type(tk_dtype type) {
    switch (type) {
    case TK_U8:
        return H5T_NATIVE_UINT8;
    case TK_I8:
        return H5T_NATIVE_INT8;
    case TK_U16:
        return H5T_NATIVE_UINT16;
    case TK_I16:
        return H5T_NATIVE_INT16;
    case TK_U32:
        return H5T_NATIVE_UINT32;
    case TK_I32:
        return H5T_NATIVE_INT32;
    case TK_U64:
        return H5T_NATIVE_UINT64;
    case TK_I64:
        return H5T_NATIVE_INT64;
    case TK_F32:
        return H5T_NATIVE_FLOAT;
    case TK_F64:
    case TK_DTYPE_COUNT:
        break;
    }
    return H5T_NATIVE_DOUBLE;
}

hid_t tk_result_link_properties(void) {
    const hid_t links = H5Pcreate(H5P_LINK_CREATE);
    if (links >= 0) (void)H5Pset_create_intermediate_group(links, 1);
    return links;
}

/* Writes an attribute of `count` elements, or a scalar when count < 0; one of that name is replaced. */
static tk_status set_attribute(tk_result *result, hid_t object, const char *name, hid_t file_type, hid_t memory_type,
                               int count, const void *data, tk_error *error) {
    tk_status status = TK_OK;
    const hsize_t extent = count < 0 ? 1 : (hsize_t)count;
    const hid_t space = count < 0 ? H5Screate(H5S_SCALAR) : H5Screate_simple(1, &extent, NULL);
    if (H5Aexists(object, name) > 0) (void)H5Adelete(object, name);
    const hid_t attribute = H5Acreate2(object, name, file_type, space, H5P_DEFAULT, H5P_DEFAULT);
    if (attribute < 0 || H5Awrite(attribute, memory_type, data) < 0)
        status = tk_hdf5_fail(error, TK_UNWRITABLE, result->file, "attribute cannot be written");
    if (attribute >= 0) (void)H5Aclose(attribute);
    if (space >= 0) (void)H5Sclose(space);
    return status;
}

static tk_status set_texts(tk_result *result, hid_t object, const char *name, const char *const *texts, int count,
                           tk_error *error) {
    const hid_t type = H5Tcopy(H5T_C_S1);
    tk_status status;
    if (type < 0 || H5Tset_size(type, H5T_VARIABLE) < 0 || H5Tset_cset(type, H5T_CSET_UTF8) < 0)
        status = tk_hdf5_fail(error, TK_UNWRITABLE, result->file, "attribute cannot be written");
    else
        status = set_attribute(result, object, name, type, type, count, texts, error);
    if (type >= 0) (void)H5Tclose(type);
    return status;
}

tk_status tk_result_attribute_text(tk_result *result, hid_t object, const char *name, const char *text,
                                   tk_error *error) {
    return set_texts(result, object, name, &text, -1, error);
}

tk_status tk_result_attribute_texts(tk_result *result, hid_t object, const char *name, const char *const *texts,
                                    int count, tk_error *error) {
    return set_texts(result, object, name, texts, count, error);
}

tk_status tk_result_attribute_numbers(tk_result *result, hid_t object, const char *name, const double *numbers,
                                      int count, tk_error *error) {
    return set_attribute(result, object, name, H5T_IEEE_F64LE, H5T_NATIVE_DOUBLE, count, numbers, error);
}

tk_status tk_result_attribute_integer(tk_result *result, hid_t object, const char *name, int64_t number,
                                      tk_error *error) {
    return set_attribute(result, object, name, H5T_STD_I64LE, H5T_NATIVE_INT64, -1, &number, error);
}
