/* Writing the report. */
#include "report.h"

#include <errno.h>
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

static const struct {
  const char *name;
  void (*write)(FILE *out, const struct content *c);
} texts[] = {{"table.txt", write_table}, {"results.jsonl", write_lines}, {"run.json", write_run}};

static const struct {
  const char *name;
  int (*plot)(const char *path, const struct run_facts *facts, const struct result *results, size_t n,
              char *why, size_t why_size);
} plots[] = {{"roofline.svg", plot_roofline}, {"classes.svg", plot_classes}, {"rows.svg", plot_rows}};

static int write_text(const char *path, size_t i, const struct content *c) {
  FILE *f = fopen(path, "w");
  if (!f) return -1;
  texts[i].write(f, c);
  const int bad = ferror(f);
  return fclose(f) != 0 || bad ? -1 : 0;
}

/* With the folders above it, as mkdir -p. */
int report_open(const char *folder, char *why, size_t why_size) {
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
  if (rc) snprintf(why, why_size, "%s", strerror(errno));
  return rc;
}

int report_write(const char *folder, const struct run_facts *facts, const struct result *results, size_t n,
                 char *why, size_t why_size) {
  const struct content c = {facts, results, n};
  char path[4096], reason[200];
  if (report_open(folder, why, why_size) != 0) return -1;
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
    snprintf(path, sizeof path, "%s/%s", folder, texts[i].name);
    if (write_text(path, i, &c) == 0) continue;
    snprintf(why, why_size, "%s: %s", texts[i].name, strerror(errno));
    return -1;
  }
  for (size_t i = 0; i < sizeof plots / sizeof *plots; i++) {
    snprintf(path, sizeof path, "%s/%s", folder, plots[i].name);
    const int rc = plots[i].plot(path, facts, results, n, reason, sizeof reason);
    if (rc > 0) remove(path); /* an earlier run's would be taken for this one's */
    if (rc >= 0) continue;
    snprintf(why, why_size, "%s: %s", plots[i].name, reason);
    return -1;
  }
  return 0;
}
