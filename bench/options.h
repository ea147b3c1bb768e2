/* The command line of `clloss bench`. */
#ifndef BENCH_OPTIONS_H
#define BENCH_OPTIONS_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define OPTIONS_MAX_CLASSES 16

struct options {
  const char *program; /* for messages */
  int json, list, help, first_result, peers;
  const char *python; /* that PyTorch is looked for in */
  const char *plot;   /* file, or NULL */
  const char *report; /* folder, or NULL */
  const char *filter; /* part of a case's name, or NULL for all */
  unsigned device;
  int reps_given;
  size_t reps, rows;            /* rows 0: as many as fill size_bytes */
  size_t size_bytes, ref_bytes; /* of the logits; of those that the scalar reference is timed on */
  size_t classes[OPTIONS_MAX_CLASSES], n_classes; /* none: the whole suite of shapes */
  uint32_t family;                                /* CLLOSS_FAMILY_… */
  int yardstick;                                  /* enum yard_form */
};

/* 0; or 2 after one line on stderr that names the option at fault. */
int options_parse(struct options *o, int argc, char **argv);

/* The command as it was given but for --python, words with blanks or the like in quotes; cut to size. */
void options_command(int argc, char **argv, char *text, size_t size);

void options_help(FILE *out, const char *program);

#endif
