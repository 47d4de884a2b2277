#include "judge/stacks.h"

#include <algorithm>
#include <array>
#include <span>

namespace unclosed {
namespace {

bool starts_with_any(const std::string& function, std::span<const std::string_view> names) {
  return std::any_of(names.begin(), names.end(),
                     [&](std::string_view name) { return function.starts_with(name); });
}

// Where runtimes run the finalizers of what nobody refers to any more.
constexpr std::array<std::string_view, 6> kCollectors = {
    "runtime.runfinq",       "runtime.runFinalizers",        "runtime.runCleanups",
    "java.lang.ref.Cleaner", "jdk.internal.ref.CleanerImpl", "java.lang.ref.Finalizer"};
// Caches whose members the collector is meant to close: Go's pipes between two connections that are
// copied to each other, in a sync.Pool with finalizers.
constexpr std::array<std::string_view, 1> kLeftToCollectors = {"internal/poll.destroyPipe"};
// Where whoever reads a body of HTTP/2 tells the peer that there is room again: no request, and on
// a connection that others share.
constexpr std::array<std::string_view, 4> kMakingRoom = {
    "net/http.http2transportResponseBody.", "net/http.(*http2transportResponseBody).",
    "golang.org/x/net/http2.transportResponseBody.",
    "golang.org/x/net/http2.(*transportResponseBody)."};
// Where client libraries begin goroutines of their own, to dial for whoever comes. What of the
// user's own runs there, a dialler, was called by the library.
constexpr std::array<std::string_view, 8> kDialling = {
    "net/http.(*Transport).dialConnFor",
    "google.golang.org/grpc.(*addrConn).",
    "database/sql.(*DB).connectionOpener",
    "github.com/jackc/puddle",
    "github.com/go-redis/redis/v8/internal/pool.(*ConnPool).",
    "github.com/redis/go-redis/v9/internal/pool.(*ConnPool).",
    "go.mongodb.org/mongo-driver/x/mongo/driver/topology.",
    "go.mongodb.org/mongo-driver/v2/x/mongo/driver/topology."};
// The same, to send and to read for all: what of the user's own runs there, as a connection that
// counts its bytes, stands for nobody.
constexpr std::array<std::string_view, 7> kSending = {
    "net/http.(*persistConn).writeLoop",
    "net/http.(*persistConn).readLoop",
    "net/http.(*http2ClientConn).readLoop",
    "net/http.(*http2clientStream).doRequest",
    "golang.org/x/net/http2.(*ClientConn).readLoop",
    "golang.org/x/net/http2.(*clientStream).doRequest",
    "google.golang.org/grpc/internal/transport.(*loopyWriter).run"};

// Whether the stack begins in such a function, before it comes to the user's own code.
bool begins_in(const std::vector<NamedFrame>& frames, std::span<const std::string_view> names) {
  for (auto frame = frames.rbegin(); frame != frames.rend(); ++frame) {
    if (frame->own) return false;
    if (starts_with_any(frame->function, names)) return true;
  }
  return false;
}

// Code that a runtime made: it is made again, elsewhere, as it becomes hot, and has no name.
bool is_generated(const NamedFrame& frame) { return frame.function.starts_with("[jit]"); }

}  // namespace

FunctionId Stacks::intern(const NamedFrame& frame) {
  // Two files may each have a function of this name.
  const auto [place, added] = x_ids.try_emplace(frame.function + '\n' + frame.file,
                                                static_cast<FunctionId>(x_names.size()));
  if (added) x_names.push_back(frame.function);
  return place->second;
}

Stacks::Stacks(const StackBook& book) {
  for (const auto& [id, stack] : book) {
    StackView view;
    view.named = &stack;
    view.truncated = stack.truncated != Truncation::kNone;
    bool left_to_collectors = false;
    for (size_t i = 0; i < stack.frames.size(); ++i) {
      const NamedFrame& frame = stack.frames[i];
      if (starts_with_any(frame.function, kCollectors)) view.collector = true;
      left_to_collectors |= starts_with_any(frame.function, kLeftToCollectors);
      if (!frame.own && view.library.empty()) view.library = frame.function;
      if (!is_generated(frame)) {
        view.shape ^= std::hash<std::string>()(frame.function);
        view.shape *= 0x9e3779b97f4a7c15ULL;
      }
      if (!frame.own) continue;
      view.own.push_back({intern(frame), &frame, {}});
      if (i < stack.places.size()) view.own.back().place = stack.places[i];
    }
    view.collector &= !left_to_collectors;
    view.dials_for_all = begins_in(stack.frames, kDialling);
    if (begins_in(stack.frames, kSending) ||
        std::any_of(stack.frames.begin(), stack.frames.end(),
                    [](const NamedFrame& frame) {
                      return starts_with_any(frame.function, kMakingRoom);
                    })) {
      view.own.clear();
    }
    std::reverse(view.own.begin(), view.own.end());
    for (const auto& frame : stack.started) {
      if (frame.own) view.started.insert(view.started.begin(), {intern(frame), &frame, {}});
    }
    x_views.emplace(id, std::move(view));
  }
}

const StackView* Stacks::view(StackId id) const {
  const auto found = x_views.find(id);
  return id == kNoStack || found == x_views.end() ? nullptr : &found->second;
}

const StackView* Stacks::own_view(StackId id) const {
  const auto* found = view(id);
  return found != nullptr && !found->own.empty() ? found : nullptr;
}

Site site_of(const NamedFrame& frame) { return {frame.function, frame.file, frame.line}; }

size_t common_length(const StackView& a, const StackView& b) {
  size_t from_a = 0;
  size_t from_b = 0;
  if (a.truncated != b.truncated) {
    // The cut one lacks outer frames: find its outermost in the other.
    const auto& cut = a.truncated ? a : b;
    const auto& whole = a.truncated ? b : a;
    const auto start = std::find_if(whole.own.begin(), whole.own.end(), [&](const OwnFrame& frame) {
      return frame.function == cut.own.front().function;
    });
    if (start == whole.own.end()) return 0;
    (a.truncated ? from_b : from_a) = static_cast<size_t>(start - whole.own.begin());
  }
  size_t length = 0;
  while (from_a + length < a.own.size() && from_b + length < b.own.size() &&
         a.own[from_a + length].function == b.own[from_b + length].function) {
    ++length;
  }
  return length == 0 ? 0 : from_a + length;
}

std::optional<size_t> place_of(const StackView& view, FunctionId function) {
  for (size_t i = view.own.size(); i-- > 0;) {
    if (view.own[i].function == function) return i;
  }
  return std::nullopt;
}

}  // namespace unclosed
