#include "program_cache.h"

#include "whole_file.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#if defined(__GNUC__)
__attribute__((format(printf, 1, 2)))
#endif
static char *
joined(const char *format, ...) {
  va_list args;
  va_start(args, format);
  const int n = vsnprintf(NULL, 0, format, args);
  va_end(args);
  char *text = n < 0 ? NULL : malloc((size_t)n + 1);
  if (!text) return NULL;
  va_start(args, format);
  vsnprintf(text, (size_t)n + 1, format, args);
  va_end(args);
  return text;
}

/* A relative XDG_CACHE_HOME is to be ignored (XDG Base Directory Specification). */
static char *folder(void) {
  const char *own = getenv("CLLOSS_CACHE_DIR"), *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
  if (own) return *own ? joined("%s", own) : NULL;
  if (cache && *cache == '/') return joined("%s/clloss", cache);
  return home && *home == '/' ? joined("%s/.cache/clloss", home) : NULL;
}

void program_cache_read(program_cache *cache, cl_device_id device) {
  char key[CLLOSS_KEY_BYTES];
  char *const in = folder();
  *cache = (program_cache){0};
  if (in && !clloss_programs_key(device, key, sizeof key)) cache->path = joined("%s/%s.programs", in, key);
  free(in);
  FILE *f = cache->path ? fopen(cache->path, "rb") : NULL;
  if (!f) return;
  struct stat is;
  if (!fstat(fileno(f), &is) && S_ISREG(is.st_mode) && is.st_size > 0)
    cache->bytes = malloc((size_t)is.st_size);
  if (cache->bytes && fread(cache->bytes, 1, (size_t)is.st_size, f) == (size_t)is.st_size)
    cache->size = (size_t)is.st_size;
  fclose(f);
}

/* The folder that the path lies in, and those above it. */
static void make_folders(const char *path) {
  char *text = joined("%s", path);
  for (char *at = text ? strchr(text + 1, '/') : NULL; at; at = strchr(at + 1, '/')) {
    *at = '\0';
    mkdir(text, 0700);
    *at = '/';
  }
  free(text);
}

void program_cache_write(const program_cache *cache, clloss_ctx *ctx) {
  clloss_ctx_stats stats = {.struct_size = sizeof stats};
  char why[256];
  size_t size = 0;
  if (!cache->path || !ctx || clloss_ctx_get_stats(ctx, &stats) || !stats.programs_built) return;
  struct whole_file file = {.path = cache->path}, *const files[] = {&file};
  make_folders(cache->path);
  if (whole_file_open(&file, why, sizeof why)) { /* nobody may write there */
    whole_files_discard(files, 1);
    return;
  }
  if (isatty(STDERR_FILENO))
    fprintf(stderr, "clloss: keeping the compiled kernels for the next time in %s\n", cache->path);
  void *bytes = clloss_ctx_programs(ctx, NULL, 0, &size) ? NULL : malloc(size);
  if (bytes && !clloss_ctx_programs(ctx, bytes, size, &size) &&
      !whole_file_write(&file, bytes, size, why, sizeof why) && !whole_file_close(&file, why, sizeof why))
    whole_files_commit(files, 1, why, sizeof why);
  whole_files_discard(files, 1); /* of one that was committed only what it holds in memory */
  free(bytes);
}

void program_cache_free(program_cache *cache) {
  free(cache->path);
  free(cache->bytes);
  *cache = (program_cache){0};
}
