// What hanging on an event costs, by the way of hanging: README.md.
// Prints a table.
#include <bpf/libbpf.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "hookcost.skel.h"

enum { ROUNDS = 2000, TRIES = 5 };
static int pair[2], zero;
static char byte[1];

static void other_call(void) { syscall(SYS_getppid); }
static void open_and_close(void) { close(socket(AF_UNIX, SOCK_STREAM, 0)); }
static void send_and_receive(void) {
  if (send(pair[0], byte, 1, 0) != 1 || recv(pair[1], byte, 1, 0) != 1) abort();
}
static void write_and_read(void) {
  if (write(pair[0], byte, 1) != 1 || read(pair[1], byte, 1) != 1) abort();
}
static void read_no_socket(void) {
  if (read(zero, byte, 1) != 1) abort();
}

static const struct {
  const char *name;
  void (*deed)(void);
} deeds[] = {{"another call", other_call}, {"open, close", open_and_close}, {"send, receive", send_and_receive},
             {"write, read of a socket", write_and_read}, {"read of no socket", read_no_socket}};
enum { DEEDS = sizeof(deeds) / sizeof(deeds[0]) };

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * 1e9 + time.tv_nsec;
}

// The least of some tries: interrupts fall into the others.
static double cost(void (*deed)(void)) {
  double least = 1e18;
  for (int attempt = 0; attempt < TRIES; ++attempt) {
    const double begun = now();
    for (int i = 0; i < ROUNDS; ++i) deed();
    const double each = (now() - begun) / ROUNDS;
    if (each < least) least = each;
  }
  return least;
}

// NAME: PROGRAM[@CATEGORY/TRACEPOINT] …; a program alone hangs where its section says.
static const struct {
  const char *name, *programs;
} sets[] = {
    {"nothing", ""},
    {"tracepoints of socket and close", "by_tracepoint@sys_exit_socket by_tracepoint@sys_enter_close"},
    {"raw tracepoint of all exits", "raw_exit"},
    {"fentry of fd_install and close", "install_fentry close_fentry"},
    {"kprobe of fd_install and close", "install_kprobe close_kprobe"},
    {"tracepoints of calls that send and receive",
     "by_tracepoint@sys_exit_read by_tracepoint@sys_exit_write by_tracepoint@sys_exit_sendto by_tracepoint@sys_exit_recvfrom"},
    {"tracepoints of sockets that send and receive", "send_tp_btf receive_tp_btf"},
    {"fexit of sock_sendmsg and sock_recvmsg", "send_fexit receive_fexit"},
    {"fexit of fd_install", "install_fexit"},
    {"nothing, again", ""},
};

static int measure(const char *name, const char *programs) {
  struct hookcost *skeleton = hookcost__open();
  struct bpf_program *program;
  bpf_object__for_each_program(program, skeleton->obj) bpf_program__set_autoload(program, false);
  char words[512], *rest = words, *word;
  snprintf(words, sizeof(words), "%s", programs);
  while ((word = strsep(&rest, " ")) != NULL)
    if (*word) bpf_program__set_autoload(bpf_object__find_program_by_name(skeleton->obj, strsep(&word, "@")), true);
  if (hookcost__load(skeleton)) {
    printf("%-46s  not on this kernel\n", name);
    hookcost__destroy(skeleton);
    return 0;
  }
  struct bpf_link *links[8] = {NULL};
  int count = 0;
  snprintf(words, sizeof(words), "%s", programs);
  rest = words;
  while ((word = strsep(&rest, " ")) != NULL) {
    if (!*word) continue;
    const char *program_name = strsep(&word, "@");
    program = bpf_object__find_program_by_name(skeleton->obj, program_name);
    links[count] = word ? bpf_program__attach_tracepoint(program, "syscalls", word) : bpf_program__attach(program);
    if (!links[count++]) {
      printf("%-46s  %s does not attach\n", name, program_name);
      return 1;
    }
  }
  printf("%-46s", name);
  for (int i = 0; i < DEEDS; ++i) {
    deeds[i].deed();
    skeleton->bss->runs = 0;
    const double each = cost(deeds[i].deed);
    printf("  %6.0f (%.1f runs)", each, (double)skeleton->bss->runs / ROUNDS / TRIES);
  }
  printf("\n");
  while (count) bpf_link__destroy(links[--count]);
  hookcost__destroy(skeleton);
  return 0;
}

int main(void) {
  zero = open("/dev/zero", O_RDONLY);
  if (zero < 0 || socketpair(AF_UNIX, SOCK_STREAM, 0, pair)) return 1;
  libbpf_set_print(NULL);
  setvbuf(stdout, NULL, _IOLBF, 0);
  printf("%-46s", "");
  for (int i = 0; i < DEEDS; ++i) printf("  %s", deeds[i].name);
  printf("\n");
  int failed = 0;
  for (unsigned i = 0; i < sizeof(sets) / sizeof(sets[0]); ++i) failed += measure(sets[i].name, sets[i].programs);
  return failed != 0;
}
