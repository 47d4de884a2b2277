#include "exact.h"

#include <arpa/inet.h>
#include <linux/io_uring.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/mman.h>

enum { MOST_ENTRIES = 1000, SLOTS = 16, NAME = 52 };

// The layout that run.py reads.
struct entry {
  int32_t used, pid, fd;
  uint32_t file;
  char opener[NAME], copier[NAME];
};
struct table {
  _Atomic uint32_t lock, ready, go, done, end;
  uint32_t opened, gone, files, entries, failed;
  int32_t first, stranger;
  _Atomic uint32_t slot[SLOTS];
  struct entry entry[MOST_ENTRIES];
};
_Static_assert(sizeof(struct entry) == 120, "run.py reads it");

#ifdef __x86_64__
enum { HOOKS_SEE_US = 1 };
#else
enum { HOOKS_SEE_US = 0 };  // calls of 32-bit programs are not traced
#endif

static struct table* table;
static int run_rung;
static pid_t self;

pid_t outer_pid(void) {
  char text[32];
  const ssize_t size = readlink("/proc/self", text, sizeof text - 1);
  if (size <= 0) return getpid();
  text[size] = 0;
  return atoi(text);
}

void failed(const char* file, int line, const char* what) {
  fprintf(stderr, "%s:%d: %s does not hold: %s\n", file, line, what, strerror(errno));
  if (table) table->failed = 1;
  _exit(99);
}

static void lock(void) {
  uint32_t expected = 0;
  while (!atomic_compare_exchange_weak(&table->lock, &expected, 1)) {
    expected = 0;
    sched_yield();
  }
}
static void unlock(void) { atomic_store(&table->lock, 0); }

// Under attach a child from before the observer is nobody's business.
static int observed(pid_t pid) { return run_rung || pid != table->stranger; }

static void map_table(void) {
  const char* rung = getenv("EXACT_RUNG");
  run_rung = rung && strcmp(rung, "run") == 0;
  const int fd = open(getenv("EXACT_TABLE"), O_RDWR | O_CLOEXEC);
  CHECK(fd >= 0);
  table = mmap(NULL, sizeof *table, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  CHECK(table != MAP_FAILED);
  close(fd);
  self = outer_pid();
}

static void announce(void) {
  table->first = self;
  // Under run the opening of the table itself was seen.
  if (run_rung && HOOKS_SEE_US) came_and_went(1);
}

void begin(void) {
  if (!table) {
    map_table();
    announce();
  }
  table->ready = 1;
  while (!table->go) usleep(2000);
}

void begin_again(void) {
  map_table();
  if (observed(self) && HOOKS_SEE_US) came_and_went(1);
  for (uint32_t i = 0; i < table->entries; ++i) {
    const struct entry* entry = &table->entry[i];
    if (entry->used && entry->pid == self && fcntl(entry->fd, F_GETFD) < 0) closed(entry->fd);
  }
}

void linger(uint32_t milliseconds) {
  const char* slow = getenv("EXACT_SLOW");
  usleep(milliseconds * 1000 * (slow ? (uint32_t)atoi(slow) : 1));
}

void end(void) {
  table->done = 1;
  while (!table->end) usleep(2000);
}

void rest(void) {
  while (!table->end) usleep(2000);
  _exit(0);
}

static struct entry* find(pid_t pid, int fd) {
  for (uint32_t i = 0; i < table->entries; ++i) {
    struct entry* entry = &table->entry[i];
    if (entry->used && entry->pid == pid && entry->fd == fd) return entry;
  }
  return NULL;
}

static struct entry* add(pid_t pid, int fd, uint32_t file) {
  struct entry* entry = NULL;
  for (uint32_t i = 0; i < table->entries && !entry; ++i) {
    if (!table->entry[i].used) entry = &table->entry[i];
  }
  if (!entry) {
    CHECK(table->entries < MOST_ENTRIES);
    entry = &table->entry[table->entries++];
  }
  memset(entry, 0, sizeof *entry);
  entry->used = 1;
  entry->pid = pid;
  entry->fd = fd;
  entry->file = file;
  return entry;
}

// Takes the entry out; its file is gone with the last one of an observed process.
static void drop(struct entry* gone) {
  gone->used = 0;
  if (!observed(gone->pid)) return;
  for (uint32_t i = 0; i < table->entries; ++i) {
    const struct entry* entry = &table->entry[i];
    if (entry->used && entry->file == gone->file && observed(entry->pid)) return;
  }
  ++table->gone;
}

int opened(int fd, const char* opener) {
  CHECK(fd >= 0);
  lock();
  const int seen = opener[0] && observed(self) && (table->go || run_rung);
  struct entry* entry = add(self, fd, ++table->files);
  if (seen) {
    snprintf(entry->opener, NAME, "%s", opener);
    ++table->opened;
  }
  unlock();
  return fd;
}

int opened_unseen(int fd) { return opened(fd, ""); }

uint32_t file_at(int fd) {
  lock();
  const struct entry* entry = find(self, fd);
  CHECK(entry);
  const uint32_t file = entry->file;
  unlock();
  return file;
}

int adopted(int fd, uint32_t file, const char* copier) {
  CHECK(fd >= 0);
  lock();
  struct entry* entry = add(self, fd, file);
  for (uint32_t i = 0; i < table->entries; ++i) {
    struct entry* other = &table->entry[i];
    if (other == entry || !other->used || other->file != file) continue;
    memcpy(entry->opener, other->opener, NAME);
    if (copier[0]) snprintf(other->copier, NAME, "%s", copier);  // the last one is told
  }
  snprintf(entry->copier, NAME, "%s", copier);
  unlock();
  return fd;
}

int copied(int fd, int from, const char* copier) { return adopted(fd, file_at(from), copier); }

void closed(int fd) {
  lock();
  struct entry* entry = find(self, fd);
  CHECK(entry);
  drop(entry);
  unlock();
}

void shut(int fd) {
  CHECK(close(fd) == 0);
  closed(fd);
}

void came_and_went(uint32_t times) {
  lock();
  table->opened += times;
  table->gone += times;
  unlock();
}

void inherit(pid_t parent) {
  self = outer_pid();
  lock();
  const uint32_t count = table->entries;
  for (uint32_t i = 0; i < count; ++i) {
    const struct entry* old = &table->entry[i];
    if (!old->used || old->pid != parent) continue;
    struct entry* mine = add(self, old->fd, old->file);
    memcpy(mine->opener, old->opener, NAME);
  }
  unlock();
}

void process_gone(pid_t pid) {
  lock();
  for (uint32_t i = 0; i < table->entries; ++i) {
    struct entry* entry = &table->entry[i];
    if (entry->used && entry->pid == (pid ? pid : self)) drop(entry);
  }
  unlock();
}

pid_t before_the_observer(void) {
  map_table();
  announce();
  const pid_t child = fork();
  CHECK(child >= 0);
  if (child == 0) self = outer_pid();
  table->stranger = child ? child : self;
  return child;
}

void post(int which, uint32_t value) { atomic_store(&table->slot[which], value); }
uint32_t posted(int which) { return atomic_load(&table->slot[which]); }
void wait_for(int which, uint32_t value) {
  while (posted(which) < value) usleep(500);
}

int listening(uint16_t* port) {
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t size = sizeof address;
  CHECK(fd >= 0 && bind(fd, (struct sockaddr*)&address, size) == 0 && listen(fd, 64) == 0);
  CHECK(getsockname(fd, (struct sockaddr*)&address, &size) == 0);
  *port = ntohs(address.sin_port);
  return fd;
}

void dial(int fd, uint16_t port) {
  const struct sockaddr_in address = {
      .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  CHECK(connect(fd, (const struct sockaddr*)&address, sizeof address) == 0);
}

void send_descriptors(int over, const int* fds, int count) {
  char byte = 'x';
  union {
    struct cmsghdr header;
    char space[CMSG_SPACE(64 * sizeof(int))];
  } control;
  struct iovec data = {&byte, 1};
  struct msghdr message = {.msg_iov = &data,
                           .msg_iovlen = 1,
                           .msg_control = control.space,
                           .msg_controllen = CMSG_SPACE((size_t)count * sizeof(int))};
  struct cmsghdr* header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN((size_t)count * sizeof(int));
  memcpy(CMSG_DATA(header), fds, (size_t)count * sizeof(int));
  CHECK(sendmsg(over, &message, 0) == 1);
}

int receive_descriptors(int over, int* fds, int count) {
  char byte = 0;
  union {
    struct cmsghdr header;
    char space[CMSG_SPACE(64 * sizeof(int))];
  } control;
  struct iovec data = {&byte, 1};
  // Room for exactly so many: the kernel drops what is left, and says MSG_CTRUNC.
  struct msghdr message = {.msg_iov = &data,
                           .msg_iovlen = 1,
                           .msg_control = control.space,
                           .msg_controllen = CMSG_LEN((size_t)count * sizeof(int))};
  CHECK(recvmsg(over, &message, 0) == 1);
  const struct cmsghdr* header = CMSG_FIRSTHDR(&message);
  if (!header || header->cmsg_type != SCM_RIGHTS) return 0;
  const int came = (int)((header->cmsg_len - CMSG_LEN(0)) / sizeof(int));
  memcpy(fds, CMSG_DATA(header), (size_t)came * sizeof(int));
  return came;
}

struct uring {
  int fd;
  struct io_uring_params params;
  char* rings;
  struct io_uring_sqe* entries;
};

struct uring* uring_open(void) {
  static struct uring ring;
  ring.fd = (int)syscall(SYS_io_uring_setup, 8, &ring.params);
  if (ring.fd < 0) return NULL;
  const size_t submissions = ring.params.sq_off.array + ring.params.sq_entries * sizeof(uint32_t);
  const size_t completions =
      ring.params.cq_off.cqes + ring.params.cq_entries * sizeof(struct io_uring_cqe);
  const size_t size = submissions > completions ? submissions : completions;
  const int kind = PROT_READ | PROT_WRITE;
  ring.rings = mmap(NULL, size, kind, MAP_SHARED | MAP_POPULATE, ring.fd, IORING_OFF_SQ_RING);
  ring.entries = mmap(NULL, ring.params.sq_entries * sizeof(struct io_uring_sqe), kind,
                      MAP_SHARED | MAP_POPULATE, ring.fd, IORING_OFF_SQES);
  CHECK(ring.rings != MAP_FAILED && (void*)ring.entries != MAP_FAILED);
  return &ring;
}

int uring_fd(const struct uring* ring) { return ring->fd; }

__attribute__((always_inline)) static inline _Atomic uint32_t* word(const struct uring* ring,
                                                                    uint32_t offset) {
  return (_Atomic uint32_t*)(void*)(ring->rings + offset);
}

int uring_do(struct uring* ring, const struct uring_request* request) {
  const uint32_t tail = atomic_load(word(ring, ring->params.sq_off.tail));
  const uint32_t index = tail & *word(ring, ring->params.sq_off.ring_mask);
  struct io_uring_sqe* entry = &ring->entries[index];
  memset(entry, 0, sizeof *entry);
  entry->opcode = request->opcode;
  entry->fd = request->fd;
  entry->addr = request->address;
  entry->off = request->offset;
  entry->len = request->length;
  entry->open_flags = request->op_flags;
  entry->file_index = request->slot;
  atomic_store(word(ring, ring->params.sq_off.array + index * 4), index);
  atomic_store(word(ring, ring->params.sq_off.tail), tail + 1);
  const uint32_t head = atomic_load(word(ring, ring->params.cq_off.head));
  CHECK(syscall(SYS_io_uring_enter, ring->fd, 1, 1, IORING_ENTER_GETEVENTS, NULL, 0) == 1);
  while (atomic_load(word(ring, ring->params.cq_off.tail)) == head) usleep(100);
  const struct io_uring_cqe* done =
      (const struct io_uring_cqe*)(void*)(ring->rings + ring->params.cq_off.cqes);
  const int result = done[head & *word(ring, ring->params.cq_off.ring_mask)].res;
  atomic_store(word(ring, ring->params.cq_off.head), head + 1);
  return result;
}

void uring_register_slots(struct uring* ring, unsigned count) {
  int* none = malloc(count * sizeof *none);
  for (unsigned i = 0; i < count; ++i) none[i] = -1;
  CHECK(syscall(SYS_io_uring_register, ring->fd, IORING_REGISTER_FILES, none, count) == 0);
  free(none);
}
