#include "collect/seccomp/supervisor.h"

#include <errno.h>
#include <linux/close_range.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <time.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <condition_variable>
#include <cstring>
#include <mutex>
#include <optional>
#include <thread>

#include "base/short_turns.h"
#include "collect/seccomp/keeper.h"
#include "collect/seccomp/numbers.h"
#include "collect/seccomp/onlooker.h"
#include "collect/seccomp/shared_page.h"

namespace unclosed {
namespace {

constexpr size_t kMostCalls = 65536;
// So often a number is looked for that the call just let go is about to give.
constexpr int kTries = 32, kTriesReleased = 512;
// A stack costs little more than asking for the time of it: so many share one measurement.
constexpr uint64_t kStacksAMeasurement = 16;

// Wakes the thread out of its wait for a call; does nothing else.
int wake_signal() { return SIGRTMIN + 5; }
void wake(int) {}

// Of this thread: on a busy machine a look takes longer than it costs.
Duration cpu_time() {
  timespec used{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
  return std::chrono::seconds(used.tv_sec) + Duration(used.tv_nsec);
}

// How far into debt a stack may be taken, in seconds of budget: openings come first, then requests,
// then closes.
double most_debt(CallKind kind) {
  if (kind == CallKind::kSends) return 0;
  return kind == CallKind::kCloses ? -0.5 : 1;
}

bool names_descriptor(CallKind kind) {
  switch (kind) {
    case CallKind::kConnects:
    case CallKind::kNames:
    case CallKind::kWatches:
    case CallKind::kCopies:
    case CallKind::kSends:
    case CallKind::kReceives:
    case CallKind::kCloses:
      return true;
    case CallKind::kOpens:
    case CallKind::kClears:
    case CallKind::kExecutes:
    case CallKind::kEnds:
    case CallKind::kParts:
    case CallKind::kSignals:
    case CallKind::kGave:
      return false;
  }
  return false;
}

}  // namespace

struct Supervisor::State {
  Fd listener, life;
  SharedPage* page = nullptr;
  SupervisorSettings settings;
  Onlooker onlooker;
  std::optional<Numbers> numbers;
  Goroutines goroutines;
  std::thread thread;
  std::atomic<bool> stop{false}, stopped{false};

  struct Held {
    uint32_t process = 0;
    bool ends = false, collected = false;
    std::optional<Call> gives;  // as kGave tells it, where it is known which number that will be
  };
  mutable std::mutex mutex;  // of what follows, up to `held`
  std::condition_variable changed;
  CallBatch batch;
  SupervisorCounts counts;
  Instant collected_at;
  std::array<Held, SharedPage::kMostHeld> held;  // as the page has it

  Onlooker releaser;  // of whoever lets held calls go, alone

  // Of the supervisor's thread alone.
  double balance = 0;  // of the budget, in seconds
  uint64_t stacks_until_measured = 0;
  Duration stack_cost{};
  Instant paid_at;

  void serve();
  void look(const seccomp_notif& told);
  bool affordable(CallKind kind);
  void copy_stack(Call& call);
  void take_stack(Call& call);
  void keep(Call&& call);
  void keep_given(std::vector<Call>&& given);
  void settle_last();
  void settle_released(const Call& opening);
  bool any_held() const;
  bool must_wait(const Call& call);
  bool hold(const Call& call, uint64_t id);
  void end();
};

bool Supervisor::State::affordable(CallKind kind) {
  if (settings.stack_budget <= 0) return true;
  const Instant now = monotonic_now();
  balance =
      std::min(balance + seconds(now - paid_at) * settings.stack_budget, settings.stack_budget);
  paid_at = now;
  return balance + most_debt(kind) * settings.stack_budget > 0;
}

void Supervisor::State::copy_stack(Call& call) {
  const auto where = onlooker.position(call.thread);
  if (!where) return;
  call.stack = *where;
  const std::span<uint8_t> room = batch.room(kMostStackCopy);
  if (room.size() < kMostStackCopy) {
    call.stack_left_out = true;
    return;
  }
  const auto running = goroutines.running_on(call.process, call.stack.sp, room);
  if (running) call.goroutine = running->id;
  const size_t copied =
      running ? running->copied : onlooker.copy(call.process, call.stack.sp, room);
  call.stack.bytes = room.first(copied);
}

void Supervisor::State::take_stack(Call& call) {
  if (!affordable(call.kind)) {
    call.stack_left_out = true;
    return;
  }
  const bool measured = stacks_until_measured == 0;
  const Duration before = measured ? cpu_time() : Duration();
  copy_stack(call);
  if (measured) {
    const Duration took = cpu_time() - before;
    stack_cost = stack_cost == Duration() ? took : (stack_cost * 3 + took) / 4;
    stacks_until_measured = kStacksAMeasurement;
  }
  --stacks_until_measured;
  balance -= seconds(stack_cost);
}

void Supervisor::State::keep(Call&& call) {
  ++counts.calls;
  if (call.stack_left_out) ++counts.stacks_left_out;
  if (!call.stack.bytes.empty()) {
    ++counts.stacks;
    counts.stack_time += stack_cost;
  }
  if (batch.calls.size() >= kMostCalls) {
    ++counts.lost;
    return;
  }
  batch.take(call.stack.bytes.size());
  batch.calls.push_back(std::move(call));
}

void Supervisor::State::keep_given(std::vector<Call>&& given) {
  for (Call& gave : given) {
    if (batch.calls.size() < kMostCalls) batch.calls.push_back(std::move(gave));
  }
}

bool Supervisor::State::any_held() const {
  return std::any_of(held.begin(), held.end(), [](const Held& one) { return one.process != 0; });
}

// Before it goes on, its descriptors or its mappings are wanted, which are there no longer behind
// this call.
bool Supervisor::State::must_wait(const Call& call) {
  constexpr Duration kSoon = std::chrono::seconds(1);  // while we judge it would wait
  if (call.kind == CallKind::kEnds) return true;
  // A fault may end it at once: who it is and what it runs is known then, if it was looked at here.
  if (call.new_code) return call.at - collected_at < kSoon;
  if (call.kind == CallKind::kSignals) {
    const auto target = static_cast<int32_t>(call.arguments[0]);
    if (call.number == __NR_kill && target <= 0) return true;  // a group of processes
    const auto process = static_cast<uint32_t>(target);
    return (call.number == __NR_tkill ? onlooker.process_of(process, call.at) : process) ==
           call.process;
  }
  return call.kind == CallKind::kExecutes &&
         std::any_of(batch.calls.begin(), batch.calls.end(), [&](const Call& before) {
           return before.process == call.process && !before.stack.bytes.empty();
         });
}

// False: too many are held.
bool Supervisor::State::hold(const Call& call, uint64_t id) {
  const auto free =
      std::find_if(held.begin(), held.end(), [](const Held& one) { return one.process == 0; });
  if (free == held.end()) return false;
  const bool ends = call.kind == CallKind::kEnds || call.kind == CallKind::kSignals;
  *free = {call.process, ends, false, call.new_code ? numbers->expected_of_last() : std::nullopt};
  page->held[static_cast<size_t>(free - held.begin())] = id;
  return true;
}

void Supervisor::State::look(const seccomp_notif& told) {
  Call call;
  call.number = told.data.nr;
  call.kind = kind_of_call(call.number);
  call.thread = told.pid;
  call.at = monotonic_now();
  call.arguments = {told.data.args[0], told.data.args[1]};
  call.process = onlooker.process_of(told.pid, call.at);
  const bool parts =
      call.kind == CallKind::kParts ||
      (call.kind == CallKind::kClears && (told.data.args[2] & CLOSE_RANGE_UNSHARE) != 0);
  const bool apart = onlooker.apart(call.process, call.thread);
  if (parts) onlooker.parts(call.thread);
  const bool ends = call.kind == CallKind::kEnds || call.kind == CallKind::kSignals;
  bool wanted = call.process != 0 && call.kind != CallKind::kParts &&
                (!apart || ends || call.kind == CallKind::kExecutes);
  if (names_descriptor(call.kind)) {
    call.fd = static_cast<int>(told.data.args[named_argument(call.kind)]);
    const bool looks = wanted && call.kind != CallKind::kWatches;
    if (looks) call.on = onlooker.open_on(call.process, call.fd);
    wanted = looks ? call.on.known && (call.kind != CallKind::kSends || call.on.socket) : wanted;
  }
  if (call.kind == CallKind::kReceives &&
      !(wanted && onlooker.takes_descriptors(call.process, call.arguments[1]))) {
    call.kind = CallKind::kSends;  // it names a descriptor, and no more
    wanted = false;
  }
  std::vector<Call> given;
  if (call.process != 0 && !apart) given = numbers->note(call, told.data.args[2]);
  if (wanted && (call.number == __NR_openat || call.number == __NR_openat2)) {
    onlooker.read_path(told.data.args[1], call);
  }
  if (wanted && (call.number == __NR_open || call.number == __NR_creat))
    onlooker.read_path(told.data.args[0], call);
  const bool accepts = call.number == __NR_accept || call.number == __NR_accept4;
  if (accepts && wanted)
    call.on = onlooker.listener(call.process, static_cast<int>(told.data.args[0]));
  if (call.kind == CallKind::kExecutes && wanted && !apart) {
    call.closing = Onlooker::closing_on_exec(call.process);
  }
  if (call.kind == CallKind::kConnects && wanted) {
    onlooker.read_address(told.data.args[1], told.data.args[2], call);
    wanted = call.on.socket;
  }
  const bool stackless = call.kind == CallKind::kClears || call.kind == CallKind::kExecutes ||
                         call.kind == CallKind::kNames;
  const std::lock_guard lock(mutex);  // the stack goes into the batch
  if (wanted && !ends && !stackless) take_stack(call);
  if (call.kind == CallKind::kExecutes || call.kind == CallKind::kEnds) {
    onlooker.forget_code(call.process);
  }
  call.new_code = !call.stack.bytes.empty() &&
                  onlooker.meets_new_code(call.process, call.stack.pc);
  if (wanted && must_wait(call) && hold(call, told.id)) {
    keep_given(std::move(given));
    keep(std::move(call));
    changed.notify_all();
    return;
  }
  // An answer that is taken shows that the thread was held the whole time: what was read is its
  // own.
  if (!let_go(listener.get(), told.id)) return;
  keep_given(std::move(given));
  if (wanted && !ends) keep(std::move(call));
}

// A fault may end a process before its next call, which else shows what its last opening gave: so
// that is looked for at once, while nobody calls.
void Supervisor::State::settle_last() {
  if (settings.told == ToldCalls::kOfGo) return;
  for (int i = 0; i < kTries && numbers->unsettled() != 0; ++i) {
    pollfd next{listener.get(), POLLIN, 0};
    if (::poll(&next, 1, 0) != 0) return;  // that call tells it as well, or nobody is left
    auto given = numbers->look_again();
    if (!given.empty()) {
      const std::lock_guard lock(mutex);
      return keep_given(std::move(given));
    }
    if (i % 2 == 1) std::this_thread::yield();  // the caller may be waiting for this CPU
  }
}

// The same of an opening that was held: by whoever lets it go, since nobody is sooner.
void Supervisor::State::settle_released(const Call& opening) {
  for (int i = 0; i < kTriesReleased; ++i) {
    const OpenOn on = releaser.open_on(opening.process, opening.fd);
    if (!on.known) {
      if (i % 2 == 1) std::this_thread::yield();  // it may be waiting for this CPU
      continue;
    }
    Call gave = opening;
    gave.on = on;
    const std::lock_guard lock(mutex);
    if (batch.calls.size() < kMostCalls) batch.calls.push_back(std::move(gave));
    return;
  }
}

void Supervisor::State::serve() {
  ask_for_short_turns();
  paid_at = monotonic_now();
  balance = settings.stack_budget;
  while (!stop) {
    // The kernel wants it zeroed; and it tells the keeper that no call is being looked at.
    std::memset(&page->call, 0, sizeof page->call);
    if (::ioctl(listener.get(), SECCOMP_IOCTL_NOTIF_RECV, &page->call) != 0) {
      if (errno == EINTR || errno == ENOENT) continue;
      break;
    }
    look(page->call);
    ++page->answered;
    settle_last();
  }
  stopped = true;
}

void Supervisor::State::end() {
  if (!thread.joinable()) return;
  stop = true;
  while (!stopped) {  // a signal that comes just before the wait is lost: again
    ::pthread_kill(thread.native_handle(), wake_signal());
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  thread.join();
  life.reset();  // from here on the keeper answers
}

Result<Supervisor> Supervisor::start(Fd listener, const SupervisorSettings& settings) {
  auto state = std::make_unique<State>();
  const auto page = make_shared_page();
  if (!page) return page.error();
  auto life = start_keeper(listener.get(), **page);
  if (!life) return life.error();
  state->page = *page;
  state->life = *std::move(life);
  state->listener = std::move(listener);
  state->settings = settings;
  state->collected_at = monotonic_now();  // somebody will, soon
  State* const self = state.get();
  state->numbers.emplace(
      [self](uint32_t process, int fd) { return self->onlooker.open_on(process, fd); },
      [self](uint32_t thread) { return self->onlooker.changes_table(thread); }, settings.told);
  struct sigaction action {};
  action.sa_handler = wake;  // without SA_RESTART: the wait ends
  ::sigaction(wake_signal(), &action, nullptr);
  // The thread takes no signal of the program's.
  sigset_t most, before;
  ::sigfillset(&most);
  ::sigdelset(&most, wake_signal());
  ::pthread_sigmask(SIG_SETMASK, &most, &before);
  state->thread = std::thread([self] { self->serve(); });
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return Supervisor(std::move(state));
}

void Supervisor::collect(CallBatch& batch) {
  batch.clear();
  const std::lock_guard lock(x_state->mutex);
  std::swap(x_state->batch, batch);
  x_state->collected_at = monotonic_now();
  for (auto& one : x_state->held) one.collected = one.process != 0;
}

SupervisorCounts Supervisor::counts() const {
  const std::lock_guard lock(x_state->mutex);
  return x_state->counts;
}

void Supervisor::tell_goroutines(uint32_t process, const GoroutinePlace& place) {
  x_state->goroutines.tell(process, place);
}

void Supervisor::wait(Duration most) {
  std::unique_lock lock(x_state->mutex);
  x_state->changed.wait_for(lock, most, [&] { return x_state->any_held(); });
}

uint32_t Supervisor::ending() const {
  const std::lock_guard lock(x_state->mutex);
  for (const auto& one : x_state->held) {
    if (one.process != 0 && one.ends) return one.process;
  }
  return 0;
}

void Supervisor::let_held_go() {
  std::vector<Call> openings;
  {
    const std::lock_guard lock(x_state->mutex);
    for (size_t i = 0; i < x_state->held.size(); ++i) {
      if (!x_state->held[i].collected) continue;
      if (x_state->held[i].gives) openings.push_back(*std::move(x_state->held[i].gives));
      x_state->held[i] = {};
      let_go(x_state->listener.get(), x_state->page->held[i].exchange(0));
    }
  }
  for (const Call& opening : openings) x_state->settle_released(opening);
}

Supervisor::Supervisor(std::unique_ptr<State> state) : x_state(std::move(state)) {}
Supervisor::Supervisor(Supervisor&&) noexcept = default;
Supervisor& Supervisor::operator=(Supervisor&&) noexcept = default;
Supervisor::~Supervisor() {
  if (!x_state) return;
  x_state->end();
  for (auto& one : x_state->held) one.collected = one.process != 0;
  let_held_go();
}

}  // namespace unclosed
