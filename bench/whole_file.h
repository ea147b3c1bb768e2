/* Files that appear whole or not at all: each is written beside its final place under another name, and renamed once
 * everything else has succeeded. A failure, or a signal, leaves what was there before. An int is 0; or −1, and `why`
 * holds the path and the reason. */
#ifndef BENCH_WHOLE_FILE_H
#define BENCH_WHOLE_FILE_H

#include <spawn.h>
#include <stddef.h>
#include <sys/types.h>

enum { WHOLE_FILES_MAX = 8 /* that can be open at one time */ };

struct whole_file {
  const char *path; /* the caller's; NULL: not wanted, and all functions pass over it */
  char *final;      /* the path, or what it links to */
  char *temporary;
  char *backup;
  int descriptor; /* of the temporary file, while there is one */
};

/* From here on a signal that ends the program removes temporary files first, and a limit on the size of files is an error
 * of write(). To be called before an OpenCL driver loads, whose threads take over what is blocked, and before other threads. */
void whole_files_watch_signals(void);

/* Starts a program, found in PATH, for which no signal is blocked: 0, or an error number. */
int whole_files_spawn(pid_t *child, const char *program, char *const arguments[],
                      const posix_spawn_file_actions_t *files);

/* For a handler of the caller's own. */
void whole_files_remove_pending(void);

/* Makes the temporary file. */
int whole_file_open(struct whole_file *f, char *why, size_t why_size);

/* Whether that can be done, for who wants to know before the long work; nothing is left. */
int whole_file_probe(const char *path, char *why, size_t why_size);

/* A file in a folder that has no name, and so goes with the process: its descriptor, or −1 and errno. */
int whole_file_nameless(const char *folder);

/* Adds to it. */
int whole_file_write(struct whole_file *f, const void *bytes, size_t n, char *why, size_t why_size);

/* Everything written is on the disk. */
int whole_file_close(struct whole_file *f, char *why, size_t why_size);

/* All of them, closed, take their final names, or none does. */
int whole_files_commit(struct whole_file *const files[], size_t n, char *why, size_t why_size);

/* Removes what hasn't been committed. */
void whole_files_discard(struct whole_file *const files[], size_t n);

/* Two paths name one file, whether or not it exists yet. */
int same_file(const char *a, const char *b);

#endif
