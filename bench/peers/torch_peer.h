/* The text of torch_peer.py, which goes along in the program: it needs no file at run time. */
#ifndef BENCH_TORCH_PEER_H
#define BENCH_TORCH_PEER_H

extern const char torch_peer_py[];

#endif
