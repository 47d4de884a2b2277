// The filter of the seccomp rung: which calls of the service are told to the supervisor. Runs in
// the child between fork and exec, where only calls that are safe after a fork may be made. What it
// cannot see: calls of 32-bit programs, and what io_uring does.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/fd.h"

namespace unclosed {

// Which calls a filter tells of.
enum class ToldCalls : uint8_t {
  kAll,   // whatever opens, copies, sends or closes
  kOfGo,  // what a Go program needs, where epoll_ctl names a number that has just been opened: no
          // accepts without waiting; that call and the closes of one number in four
};

// Puts the filter on the calling thread (single-threaded: on all that will ever be), for good: it
// is inherited by children and across exec, and takes from them the right to gain privileges by
// exec. Answers the listener's descriptor, or a negative errno. From then on the calls that it
// names wait until somebody answers on the listener.
int install_filter(ToldCalls told);

// Whether a child of ours could put such a filter on itself: 0, or the errno of the refusal. EBUSY:
// somebody listens to our calls already; a kernel allows one listener.
int listener_refused();

// A process under the filter.
struct Confined {
  Fd listener;
  ToldCalls told = ToldCalls::kAll;
};

// What a call does to descriptors, as the supervisor reads it.
enum class CallKind : uint8_t {
  kOpens,     // gives a descriptor
  kConnects,  // fd, address
  kNames,     // fd: bind and listen, which say whose number it is
  kWatches,   // fd: it is added to an epoll
  kCopies,    // dup and its kin: fd; gives a descriptor
  kSends,     // fd
  kReceives,  // fd: recvmsg, which may give descriptors
  kCloses,    // fd
  kClears,    // a range of descriptors goes: close_range
  kParts,     // the thread may get a table of its own: unshare
  kExecutes,  // another program begins in the same process
  kEnds,      // the whole process ends
  kSignals,   // a signal is sent that ends a process, where nobody handles it
  kGave,      // no call of its own: what an opening gave, as a later call shows
};
// Of a call that the filter names, by its number.
CallKind kind_of_call(int number);
// Which argument is the descriptor that such a call names.
size_t named_argument(CallKind kind);

}  // namespace unclosed
