/* Writing the report: all of its files beside their places first, then all of them renamed. */
#include "report.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct content {
  const struct run_facts *facts;
  const struct result *results;
  size_t n;
};

static void write_table(FILE *out, const struct content *c) {
  fprintf(out, "command  %s\n", c->facts->command);
  if (c->facts->torch[0]) fprintf(out, "peers    %s\n", c->facts->torch);
  table_head(out, c->facts);
  for (size_t i = 0; i < c->n; i++) {
    if (i > 0 && c->results[i].classes != c->results[i - 1].classes) table_gap(out);
    table_result(out, &c->results[i]);
  }
  table_foot(out, c->results, c->n);
}

static void write_lines(FILE *out, const struct content *c) {
  for (size_t i = 0; i < c->n; i++) json_result(out, c->facts, &c->results[i]);
}

static void write_run(FILE *out, const struct content *c) { json_run(out, c->facts); }

enum { TEXTS = 3, PLOTS = 3, FILES = TEXTS + PLOTS };

static const struct {
  const char *name;
  void (*write)(FILE *out, const struct content *c);
} texts[TEXTS] = {{"table.txt", write_table}, {"results.jsonl", write_lines}, {"run.json", write_run}};

static const struct {
  const char *name;
  int (*plot)(struct whole_file *to, const struct run_facts *facts, const struct result *results, size_t n,
              char *why, size_t why_size);
} plots[PLOTS] = {{"roofline.svg", plot_roofline}, {"classes.svg", plot_classes}, {"rows.svg", plot_rows}};

/* The files' paths, for the caller to free() as one; NULL: no memory. */
static char *name_files(const char *folder, char *paths[FILES]) {
  const size_t room = strlen(folder) + 20; /* for the longest name */
  char *all = malloc(FILES * room);
  for (size_t i = 0; all && i < FILES; i++) {
    paths[i] = all + i * room;
    snprintf(paths[i], room, "%s/%s", folder, i < TEXTS ? texts[i].name : plots[i - TEXTS].name);
  }
  return all;
}

/* With the folders above it, as mkdir -p. */
static int make_folder(const char *folder, char *why, size_t why_size) {
  char path[4096];
  struct stat info;
  const size_t length = strlen(folder);
  int rc = length < sizeof path ? 0 : -1;
  if (rc) errno = ENAMETOOLONG;
  for (size_t i = 1; i <= length && rc == 0; i++) {
    if (folder[i] != '/' && i < length) continue;
    memcpy(path, folder, i);
    path[i] = 0;
    if (mkdir(path, 0777) != 0 && errno != EEXIST) rc = -1;
  }
  if (rc == 0 && (rc = stat(folder, &info)) == 0 && !S_ISDIR(info.st_mode)) {
    errno = ENOTDIR;
    rc = -1;
  }
  if (rc) snprintf(why, why_size, "%s: %s", folder, strerror(errno));
  return rc;
}

static int out_of_memory(const char *folder, char *why, size_t why_size) {
  snprintf(why, why_size, "%s: out of memory", folder);
  return -1;
}

int report_open(const char *folder, char *why, size_t why_size) {
  char *paths[FILES];
  int rc = make_folder(folder, why, why_size);
  if (rc != 0) return rc;
  char *all = name_files(folder, paths);
  if (!all) return out_of_memory(folder, why, why_size);
  for (size_t i = 0; i < FILES && rc == 0; i++) rc = whole_file_probe(paths[i], why, why_size);
  free(all);
  return rc;
}

/* The text grows in memory, where no disk can lose a part of it. */
static int write_text(struct whole_file *to, size_t i, const struct content *c, char *why, size_t why_size) {
  char *text = NULL;
  size_t bytes = 0;
  FILE *memory = open_memstream(&text, &bytes);
  if (memory) texts[i].write(memory, c);
  int bad = !memory || ferror(memory);
  if (memory && fclose(memory) != 0) bad = 1;
  const int rc = bad ? out_of_memory(to->path, why, why_size)
                     : whole_file_write(to, text, bytes, why, why_size);
  free(text);
  return rc;
}

/* One file, closed; or none, and 1, where the results hold nothing for it. */
static int write_file(struct whole_file *to, size_t i, const struct content *c, char *why, size_t why_size) {
  int rc = whole_file_open(to, why, why_size);
  if (rc == 0)
    rc = i < TEXTS ? write_text(to, i, c, why, why_size)
                   : plots[i - TEXTS].plot(to, c->facts, c->results, c->n, why, why_size);
  if (rc == 0) rc = whole_file_close(to, why, why_size);
  if (rc > 0) {
    whole_files_discard(&to, 1);
    to->path = NULL;
  }
  return rc;
}

int report_write(const char *folder, const struct run_facts *facts, const struct result *results, size_t n,
                 char *why, size_t why_size) {
  const struct content c = {facts, results, n};
  struct whole_file files[FILES] = {{NULL}}, *all[FILES];
  char *paths[FILES];
  int rc = make_folder(folder, why, why_size);
  if (rc != 0) return rc;
  char *names = name_files(folder, paths);
  if (!names) return out_of_memory(folder, why, why_size);
  for (size_t i = 0; i < FILES; i++) all[i] = &files[i];
  for (size_t i = 0; i < FILES && rc >= 0; i++) {
    files[i].path = paths[i];
    rc = write_file(all[i], i, &c, why, why_size);
  }
  if (rc >= 0) rc = whole_files_commit(all, FILES, why, why_size);
  for (size_t i = 0; i < FILES && rc == 0; i++)
    if (!files[i].path) remove(paths[i]); /* an earlier run's would be taken for this one's */
  whole_files_discard(all, FILES);
  free(names);
  return rc;
}
