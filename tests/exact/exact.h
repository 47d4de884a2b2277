// What every program of this suite is built from: it waits until somebody looks, keeps a table of
// what is open by now and who opened it, and stands still until the comparison is over. The table
// lies in a file that the runner maps too (run.py), so that telling costs no descriptor. One thread
// of one process at a time may change the table; it locks itself.
#pragma once

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

// A function that opens or copies stands on its own in every stack.
#define OPENER static __attribute__((noinline, noclone))
#define CHECK(condition) ((condition) ? (void)0 : failed(__FILE__, __LINE__, #condition))
void failed(const char* file, int line, const char* what) __attribute__((noreturn));

// Waits until the observer is there. Called once, first; in a program that was executed by another
// of this suite, begin_again() instead: its table goes on, less what close-on-exec took.
void begin(void);
void begin_again(void);
// Lets the observer have a look: so long on a machine that is not slow.
void linger(uint32_t milliseconds);
// Tells the runner that all is done, and stands still until it is over. In other processes than the
// first: rest().
void end(void);
void rest(void) __attribute__((noreturn));

// Descriptor `fd` has come to be, by the function `opener`; answers `fd`.
int opened(int fd, const char* opener);
// The same where nobody can see the stack: it is found, and said to be without one.
int opened_unseen(int fd);
// `fd` refers to the same file as descriptor `from` of this process, by the function `copier` (""
// for none).
int copied(int fd, int from, const char* copier);
// The same by the number of the file, which another process told.
uint32_t file_at(int fd);
int adopted(int fd, uint32_t file, const char* copier);
// Descriptor `fd` of this process is no more.
void closed(int fd);
// close(2), which must succeed, and closed().
void shut(int fd);
// A file that came and went without having been in the table, `times`.
void came_and_went(uint32_t times);

// In a child: its descriptors are copies of its parent's.
void inherit(pid_t parent);
// Every descriptor of the process `pid` is gone with it; 0: of the calling one.
void process_gone(pid_t pid);
// This process's number where the observer is, whatever its own namespace says.
pid_t outer_pid(void);

// A child that was there before the observer: under `attach` it is no target, under `run` it is.
// Called before begin(); answers 0 in the child, which then serves its parent.
pid_t before_the_observer(void);

// Numbers that processes hand to each other; wait_for() waits until slot `which` is `value` or
// more.
void post(int which, uint32_t value);
uint32_t posted(int which);
void wait_for(int which, uint32_t value);

// A listening TCP socket on loopback, without telling the table; its port goes to *port.
int listening(uint16_t* port);
// connect(2) over loopback, which must succeed.
void dial(int fd, uint16_t port);
// SCM_RIGHTS: sends `count` descriptors over `over`, and receives at most that many; answers how
// many came.
void send_descriptors(int over, const int* fds, int count);
int receive_descriptors(int over, int* fds, int count);

// A way of io_uring without a library: one request at a time.
struct uring;
struct uring_request {
  uint8_t opcode;
  int32_t fd;
  uint64_t address, offset;  // `addr` and `off` of the entry, as the opcode reads them
  uint32_t length, op_flags;
  uint32_t slot;  // file_index: 0 for an ordinary descriptor, else the slot plus one
};
struct uring* uring_open(void);
int uring_fd(const struct uring* ring);
// Submits, waits, and answers the result; negative: an errno.
int uring_do(struct uring* ring, const struct uring_request* request);
void uring_register_slots(struct uring* ring, unsigned count);
