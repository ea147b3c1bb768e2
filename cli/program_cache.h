/* Compiled kernels, kept between runs of the program in the user's cache folder: CLLOSS_CACHE_DIR, which may be empty for none, else
 * clloss below XDG_CACHE_HOME or ~/.cache. A file for each library, device and driver. Nothing here can fail: without a cache kernels
 * are compiled. */
#ifndef PROGRAM_CACHE_H
#define PROGRAM_CACHE_H

#include <clloss/clloss.h>

typedef struct program_cache {
  char *path; /* NULL: there is no folder for it */
  void *bytes;
  size_t size;
} program_cache;

/* What is there for a device, for clloss_ctx_options.programs; zeros where nothing is. */
void program_cache_read(program_cache *cache, cl_device_id device);

/* Keeps the ctx's programs if it has compiled any, and tells a person who watches, as drivers may take some seconds over it. No
 * kernel may run meanwhile (clloss_ctx_programs). */
void program_cache_write(const program_cache *cache, clloss_ctx *ctx);

void program_cache_free(program_cache *cache);

#endif
