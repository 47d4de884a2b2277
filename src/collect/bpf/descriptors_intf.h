// What the kernel side and the user side share: the layout of map values, ring events and iterator
// rows. Plain C; fixed widths; no padding left to the compiler. Included by descriptors.bpf.c and
// by the user side of this folder, by nothing else.
#pragma once

#ifndef __bpf__
#include <linux/types.h>
#endif

enum {
  UC_MAX_FRAMES = 96,   // a stack that is deeper is marked truncated
  UC_MAX_RANGES = 256,  // executable mappings of one address space
  UC_REQUESTS = 3,      // last requests with different stacks
  UC_BLOCK_SHIFT = 7,   // code bytes (log2) that share one entry of the row index
  UC_FRAMELESS = 12,    // Go's system call stubs
  UC_SITES = 4096,
  UC_HANDOUTS = 16,  // hand-out functions that can be probed at a time
  UC_HANDOUT_PATHS = 4,
  UC_HANDOUT_STEPS = 8,
  UC_HANDBACKS = 512,  // hand-backs of one function whose stacks are taken: they tell a habit
};

// Same numbering as unclosed::Kind.
enum uc_kind {
  UC_TCP,
  UC_UDP,
  UC_UNIX,
  UC_FILE,
  UC_PIPE,
  UC_FIFO,
  UC_EVENTFD,
  UC_EPOLL,
  UC_TIMERFD,
  UC_SIGNALFD,
  UC_INOTIFY,
  UC_MEMFD,
  UC_PIDFD,
  UC_NETLINK,
  UC_OTHER,
};
enum uc_role { UC_ROLE_UNKNOWN, UC_ROLE_CLIENT, UC_ROLE_SERVER, UC_ROLE_LISTENER };
enum uc_attempt { UC_TRY_OPEN, UC_TRY_SOCKET, UC_TRY_ACCEPT, UC_TRY_CONNECT, UC_TRY_OTHER };
enum uc_direction { UC_NOTHING, UC_SENT, UC_RECEIVED };

enum uc_record_flags {
  UC_BEFORE_ATTACH = 1,  // was open at the first scan of its process
  UC_UNTRACED = 2,       // appeared later, but nobody saw how
  UC_OPENING_IN_TENURE =
      4,  // the opener itself made the first request, and that tenure still lasts
  UC_EVER_USED = 8,
  UC_HANDED = 16,  // `handed` may hold more of it
  UC_COPIED = 32,  // `copies` may hold some of its numbers
};

struct uc_use {
  __u64 stack;  // key of `stacks`; 0: none was taken. The top bit marks a deferred stack, sent by
                // the ring
  __u64 at;     // ns, CLOCK_MONOTONIC
  __u64 goroutine;  // 0: not a goroutine
  __u32 thread;
  __u16 times;  // of a hand-out: how often it was seen with this stack, as long as it is kept; at
                // most 65535
  __u16 site;   // where the budget had to choose: of `sites`; else 0
};

// Who made the current run of requests, and since when.
struct uc_actor {
  __u64 at, goroutine;
  __u32 thread;
};

// What probed functions told of a connection. Value of `handed`, keyed like `objects`.
struct uc_handed {
  __u64 generation;                     // of its record
  struct uc_use borrowed[UC_REQUESTS];  // last hand-outs with different stacks
  struct uc_use returned;               // last hand-back
};

// Who made a further number of a file. Value of `copies`, keyed by process and number.
enum uc_copy_how { UC_COPY_DUPLICATED, UC_COPY_RECEIVED };
struct uc_copy {
  __u64 generation;  // of the file's record; 0: it had none yet
  __u64 how;
  struct uc_use made;
};

// One connection: one struct file of the kernel. Value of `objects`, keyed by the file's address.
// At most UC_RECORD_BYTES: with the map's own bytes it then fits 512, and not 1024, of the kernel's
// memory.
enum { UC_RECORD_BYTES = 448, UC_COARSE_SHIFT = 24 };  // coarse time: 2^24 ns
struct uc_record {
  __u64 file;
  __u64 generation;    // ns at which the record was made
  __u64 inode_object;  // together with private_data: whether the file at this address is still the
                       // same
  __u64 private_data;
  __u64 inode;
  __u32 tgid;
  __s32 fd;
  __u8 kind, role, flags, direction;
  __u8 state, keepalive;
  __u16 family;
  __u16 local_port, peer_port;  // host byte order
  // When a descriptor of it was last closed while others referred to it, in coarse time; 0: never.
  __u32 partly_closed;
  union {
    struct {
      __u8 local[16], peer[16];
    } address;
    char path[64];  // of a unix socket; abstract names begin with '@'
  } where;
  struct uc_use opened;
  struct uc_use requests[UC_REQUESTS];
  struct uc_use receive;  // the first receive after the last request; or, where its time is end_seen,
                          // who was given the end of what was accepted
  struct uc_use duplicated;
  __u64 last_send, last_receive, bytes_sent, bytes_received;
  __u64 longest_gap, request_count;
  __u64 connect_started, connect_finished, state_since, peer_closed, end_seen;
  struct uc_actor tenure;
  __u32 unasked;
  __u32 tenures;
  __s16 connect_errno, end_errno;
  // Bytes that were received in a way that no hook sees (splice), as of the last scan; modulo 4 GB.
  __u32 unseen;
};

// A row of the scan: one descriptor; the record of the connection behind it follows.
struct uc_row {
  __u32 tgid, fd;
  __u32 recv_queue, send_queue;
  __u32 unanswered;
  __u32 references;
  __u32 handed;  // 1: a struct uc_handed follows the record
  __u32 thread;  // whose own table it is in, where that is not the process's; else 0
};

enum uc_event_type {
  UC_EVENT_CLOSED = 1,
  UC_EVENT_FORK,
  UC_EVENT_EXEC,
  UC_EVENT_RESCAN,
  UC_EVENT_STACK,
  UC_EVENT_FAULT,  // parent: the signal
  UC_EVENT_LEFT,
};

struct uc_event_closed {
  __u32 type, vanished;  // vanished: found gone later; `closed.at` is then an upper bound
  struct uc_use closed;
  struct uc_record record;
};
// The same of a connection that probed functions told something of.
struct uc_event_closed_handed {
  struct uc_event_closed closed;
  struct uc_handed handed;
};
struct uc_event_process {
  __u32 type, tgid, parent, reserved;
};
// A descriptor that a process had open when it ended.
struct uc_event_left {
  __u32 type, tgid;
  __u64 file, generation;  // of its record
  __u64 at;
  __u32 fd, reserved;
};
// A stack that the walker could not step because it lies in code that it has no table for yet.
enum { UC_STACK_COPY = 6144 };
struct uc_event_stack {
  __u32 type, tgid;
  __u64 id;
  __u64 pc, sp, bp;
  __u32 size, reserved;
  __u8 bytes[UC_STACK_COPY];
};

// Numbering of unclosed::Truncation for 0..4; the deferred mark leaves the kernel side only as an
// event.
enum uc_stop { UC_COMPLETE, UC_DEPTH, UC_NO_TABLE, UC_EXPRESSION, UC_UNREADABLE, UC_UNMAPPED };

// An address behind a go statement; or the key of the stack under which the thread was made.
enum uc_start { UC_START_UNKNOWN, UC_START_ADDRESS, UC_START_STACK };
struct uc_stack {
  __u32 frames, stop;
  __u32 space;   // address space that the addresses belong to
  __u32 closes;  // connections opened by this stack that were closed: closers are sampled by it
  __u32 start, reserved;  // what `started` is
  __u64 started;          // who started this goroutine or thread; 0: not known
  __u64 pcs[UC_MAX_FRAMES];
};

// Value of `sites`.
struct uc_site {
  __u64 second;   // when the current second of this site began
  __u32 seen;     // in it
  __u32 watched;  // by the user side: takes every stack
};
struct uc_budget {
  __u64 refilled, changed;
  __s64 left, left_before;  // ns of stacks that may still be taken
  __u32 pressure, reserved;
};

enum uc_range_kind { UC_RANGE_FRAME_POINTER = 1, UC_RANGE_TABLE = 2 };
struct uc_range {
  __u64 start, end;
  __u64 base;                 // address in the process of the table's base
  __u32 first_row, rows;      // in `rows`
  __u32 first_block, blocks;  // in `blocks`
  __u32 kind, reserved;
};
struct uc_space {
  __u32 ranges;
  __u32 version;                         // another one at every change; never 0
  struct uc_range range[UC_MAX_RANGES];  // ascending; the rest has start = end = INT64_MAX
};

enum uc_target_flags {
  UC_TARGET_GO = 1,
  UC_TARGET_NO_STACKS = 2,
  UC_TARGET_UNMAPPED = 4,
  UC_TARGET_FAULTED = 8
};  // its probes do nothing any more
struct uc_target {
  __u32 space;
  __u32 flags;
  __u32 goid_offset;
  __s32 g_tls_offset;
  __u32 frameless;    // ranges used
  __u32 gopc_offset;  // 0: not known
  __u64 frameless_range[UC_FRAMELESS][2];
};

// How a hand-out function leads to a descriptor: from its receiver (rax), pointer by pointer; the
// last step reads the number, 32 bits wide. Where the first path ends at no socket, the next is
// tried. Value of `handouts`, by the cookie of the probe.
struct uc_handout_path {
  __u32 steps;
  __s32 offset[UC_HANDOUT_STEPS];
};
// Same numbering as unclosed::HandoutUse.
enum uc_handout_use { UC_GIVES, UC_TAKES_BACK, UC_ENDS };
struct uc_handout {
  __u32 use;
  __u32 paths;
  __u64 noted;  // calls that led to a socket
  struct uc_handout_path path[UC_HANDOUT_PATHS];
};

struct uc_failure_key {
  __u64 stack;
  __u32 tgid;
  __s32 errno_value;
  __u32 attempt, reserved;
};
struct uc_failure {
  __u64 count, last;
  __u16 family, peer_port;
  __u32 reserved;
  __u8 peer[16];
};

enum uc_counter {
  UC_CREATED,          // records made
  UC_DELETED,          // records taken out: their last descriptors were closed
  UC_OPENED,           // openings seen since the attach
  UC_LOST_RING,        // close events that found no place
  UC_LOST_TABLE,       // openings that found no place
  UC_LOST_STACKS,      // stacks that found no place
  UC_LOST_UNREADABLE,  // not even the first frame could be read
  UC_LOST_NESTED,      // the walker was busy on this CPU
  UC_LOST_DEFERRED,    // deferred stacks that found no place
  UC_STACKS_TAKEN,
  UC_STACK_NS,            // time spent taking stacks
  UC_STACKS_SAMPLED_OUT,  // by the budget
  UC_STACKS_MADE,         // entries made in the table of stacks
  UC_HANDOUT_CALLS,       // calls of probed hand-out functions
  UC_HANDOUT_MISSED,      // of them: that led to no socket
  UC_LOST_FAILURES,       // failed attempts that found no place
  UC_LOST_TARGETS,        // children that are not followed
  UC_COUNTERS,
};
