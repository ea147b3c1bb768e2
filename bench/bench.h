/* `clloss bench`: times clLoss's own cases beside the scalar C reference and the memory yardsticks of the same run.
 * argv[0] is the name to use in messages ("clloss bench"). Returns the exit status: 0; 1 when a case failed its check
 * or OpenCL failed; 2 for bad usage. */
#ifndef BENCH_H
#define BENCH_H

int bench_main(int argc, char **argv);

#endif
