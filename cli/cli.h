/* What the commands of `clloss` share. Exit statuses: 0; 1 where a file, a device or the system failed; 2 for bad
 * usage. Whoever meets a failure says so, in one line, and hands its status up. */
#ifndef CLI_H
#define CLI_H

#include <stdbool.h>

enum { EXIT_OK = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };

/* Prints "clloss COMMAND: …" as one line on stderr, whatever a file name or a compiler's log in it may hold, after
 * wiping the progress bar. Returns status, for `return fail(…)`. */
int fail(int status, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* stdout has taken everything that was printed; fails with a line where it hasn't (a full disk, a closed pipe). */
int finish_output(void);

/* --help stands among the arguments, wherever. */
bool wants_help(int argc, char **argv);

int check_main(int argc, char **argv);
int devices_main(int argc, char **argv);
int eval_main(int argc, char **argv);
int tune_main(int argc, char **argv);

#endif
