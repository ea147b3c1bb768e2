/* The program `clloss`: finds the command and hands over. Nothing here needs an OpenCL platform. */
#include "cli.h"

#include "bench.h"
#include "progress.h"

#include <clloss/clloss.h>
#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const char usage[] =
    "usage: clloss COMMAND [ARGUMENTS]\n"
    "\n"
    "  devices   the OpenCL devices, and the kernels that each shape gets on them\n"
    "  check     whether a device computes the losses right; run it first on a new one\n"
    "  eval      a loss, its gradient and what they mean, from NumPy files\n"
    "  bench     how fast the losses are on a device\n"
    "  tune      which of the library's choices could be better on a device\n"
    "  help      this page, or with a command its own\n"
    "\n"
    "clloss COMMAND --help explains the command; clloss --version prints the version.\n";

static const char devices_usage[] =
    "usage: clloss devices\n"
    "\n"
    "Lists the OpenCL devices of all platforms. The number in front is the N of `clloss eval --device N`.\n"
    "Below, for each device, the kernels that softmax cross-entropy takes for typical shapes: \"lane\" "
    "keeps\n"
    "whole rows on one work-item, \"group\" gives a row to a work-group, \"split\" to several of them.\n";

static const char *command = "";

int fail(int status, const char *format, ...) {
  char text[1024];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  for (char *c = text; *c; c++)
    if (iscntrl((unsigned char)*c)) *c = ' ';
  progress_end();
  fprintf(stderr, "clloss%s%s: %s\n", *command ? " " : "", command, text);
  return status;
}

bool wants_help(int argc, char **argv) {
  for (int i = 1; i < argc; i++)
    if (!strcmp(argv[i], "--help")) return true;
  return false;
}

int finish_output(void) {
  if (!fflush(stdout) && !ferror(stdout)) return EXIT_OK;
  return fail(EXIT_FAILED, "standard output: can't be written");
}

static int bench(int argc, char **argv) {
  char name[] = "clloss bench";
  argv[0] = name;
  return bench_main(argc, argv);
}

static int devices(int argc, char **argv) {
  if (argc == 1) return devices_main(argc, argv);
  if (strcmp(argv[1], "--help")) return fail(EXIT_USAGE, "%s: takes no arguments", argv[1]);
  fputs(devices_usage, stdout);
  return finish_output();
}

static const struct command {
  const char *name;
  int (*run)(int argc, char **argv);
} commands[] = {
    {"devices", devices}, {"check", check_main}, {"eval", eval_main}, {"bench", bench}, {"tune", tune_main}};

/* argv[0] is the command's name. */
static int run(int argc, char **argv) {
  for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
    if (strcmp(argv[0], commands[i].name)) continue;
    command = commands[i].name;
    return commands[i].run(argc, argv);
  }
  return fail(EXIT_USAGE, "%s: no such command; clloss --help lists them", argv[0]);
}

static int help(int argc, char **argv) {
  if (argc > 2) return fail(EXIT_USAGE, "help: takes one command, not %d", argc - 1);
  if (argc == 2) {
    char option[] = "--help";
    char *asked[] = {argv[1], option, NULL};
    return run(2, asked);
  }
  fputs(usage, stdout);
  return finish_output();
}

static int version(void) {
  unsigned v = clloss_version();
  printf("clloss %u.%u.%u\n", v / 10000, v / 100 % 100, v % 100);
  return finish_output();
}

int main(int argc, char **argv) {
  if (argc < 2) return fail(EXIT_USAGE, "no command; clloss --help lists them");
  if (!strcmp(argv[1], "--version")) return version();
  if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "help")) return help(argc - 1, argv + 1);
  return run(argc - 1, argv + 1);
}
