/* The site profiles that are compiled in: made by CMake from slurm/sites/NAME.yaml. */
#ifndef TK_ENGINE_SITE_PROFILES_H
#define TK_ENGINE_SITE_PROFILES_H

typedef struct tk_site_profile {
    const char *name; /* NAME of NAME.yaml; NULL ends the list */
    const char *text; /* the file */
} tk_site_profile;

extern const tk_site_profile tk_site_profiles[];

#endif
