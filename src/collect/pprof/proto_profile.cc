#include "collect/pprof/proto_profile.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <semaphore>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <unordered_map>

#include "collect/pprof/sample_table.h"
#include "collect/pprof/trace.h"
#include "collect/pprof/wire.h"

namespace unclosed {
namespace {

// Far above what a process has; each part costs some tens of bytes of ours.
constexpr size_t kMostParts = 8 << 20, kMostFrames = 1024, kMostName = 4096;

// Numbers that a profile gives its parts: 1, 2, 3 as Go writes them, or any others.
class Ids {
 public:
  void put(uint64_t id, uint32_t index) {
    if (id < kDense) {
      if (id >= x_dense.size()) x_dense.resize(std::max<size_t>(id + 1, x_dense.size() * 2), kNone);
      x_dense[id] = index;
    } else {
      x_sparse[id] = index;
    }
  }
  // Ids below this may be among those that lie side by side.
  uint64_t dense_size() const { return x_dense.size(); }
  std::optional<uint32_t> find(uint64_t id) const {
    if (id < x_dense.size() && x_dense[id] != kNone) return x_dense[id];
    if (id < kDense || x_sparse.empty()) return std::nullopt;
    const auto found = x_sparse.find(id);
    return found == x_sparse.end() ? std::nullopt : std::optional(found->second);
  }

 private:
  static constexpr uint64_t kDense = 4 << 20;
  static constexpr uint32_t kNone = UINT32_MAX;
  std::vector<uint32_t> x_dense;
  std::unordered_map<uint64_t, uint32_t> x_sparse;
};

struct Function {
  uint64_t name = 0, file = 0;  // of the table of texts
};
struct Location {
  uint64_t address = 0;
  uint32_t first = 0, count = 0;  // of the lines
  uint64_t hash = 0;
};
struct Call {
  uint64_t function = 0;  // id
  uint32_t line = 0;
};

// The values of a mutex and of a block profile have the same names. The first is told by who lets
// go, the other by who waits.
std::string contention_name(const Captured& captured) {
  for (const ContentionSite& site : captured.capture.contentions) {
    for (const NamedFrame& frame : site.stack) {
      const std::string_view function = frame.function;
      if (function.ends_with("nlock") || function.find(".unlock") != std::string_view::npos)
        return "mutex";
      if (!function.starts_with("sync.") && !function.starts_with("internal/sync.") &&
          !function.starts_with("runtime."))
        break;
    }
  }
  return "block";
}

std::string_view text_of(Bytes part) {
  return {reinterpret_cast<const char*>(part.data()), part.size()};
}

class Reader {
 public:
  explicit Reader(Bytes bytes) : x_bytes(bytes) {}

  Result<Captured> read() {
    if (auto parts = read_parts(); !parts) return parts.error();
    Captured captured;
    captured.form = "protobuf";
    if (auto kind = name_kind(captured); !kind) return kind.error();
    hash_locations();
    sum_samples(captured.kind);
    x_table.fill(
        captured.kind, [this](uint64_t at) { return stack_at(at); }, captured);
    if (captured.kind == ProfileKind::kContention) captured.name = contention_name(captured);
    captured.capture.damaged_at = x_damaged_at;
    if (x_time > 0) captured.taken_ns = x_time;
    return captured;
  }

 private:
  Status read_parts() {
    WireReader fields(x_bytes);
    while (fields.next()) {
      if (x_texts.size() + x_functions.size() + x_locations.size() + x_calls.size() > kMostParts)
        return Error{ErrorKind::kLimit, "the profile has more than eight million parts", "UC-E012"};
      switch (fields.field()) {
        case 1:
          add_type(fields.part());
          break;
        case 2:
          ++x_samples;
          break;
        case 4:
          add_location(fields.part());
          break;
        case 5:
          add_function(fields.part());
          break;
        case 6:
          x_texts.push_back(text_of(fields.part()));
          break;
        case 9:
          x_time = static_cast<int64_t>(fields.value());
          break;
        default:  // a number of the format, not of an enum
          break;
      }
    }
    if (const auto broken = fields.broken_at()) x_damaged_at = *broken;
    return {};
  }

  void add_type(Bytes part) {
    WireReader fields(part);
    uint64_t type = 0;
    while (fields.next())
      if (fields.field() == 1) type = fields.value();
    if (x_types.size() < 16) x_types.push_back(type);
  }

  void add_location(Bytes part) {
    Location location;
    location.first = static_cast<uint32_t>(x_calls.size());
    uint64_t id = 0;
    WireReader fields(part);
    while (fields.next()) {
      if (fields.field() == 1) id = fields.value();
      if (fields.field() == 3) location.address = fields.value();
      if (fields.field() == 4 && location.count < kMostFrames) {
        Call call;
        WireReader line(fields.part());
        while (line.next()) {
          if (line.field() == 1) call.function = line.value();
          if (line.field() == 2) call.line = static_cast<uint32_t>(line.value());
        }
        x_calls.push_back(call);
        ++location.count;
      }
    }
    x_location_ids.put(id, static_cast<uint32_t>(x_locations.size()));
    x_locations.push_back(location);
  }

  void add_function(Bytes part) {
    Function function;
    uint64_t id = 0;
    WireReader fields(part);
    while (fields.next()) {
      if (fields.field() == 1) id = fields.value();
      if (fields.field() == 2) function.name = fields.value();
      if (fields.field() == 4) function.file = fields.value();
    }
    x_function_ids.put(id, static_cast<uint32_t>(x_functions.size()));
    x_functions.push_back(function);
  }

  std::string_view text(uint64_t index) const {
    return index < x_texts.size() ? x_texts[index].substr(0, kMostName) : std::string_view();
  }

  // By the names of the values, which say more than any name of a file.
  Status name_kind(Captured& captured) {
    if (x_types.empty() && x_locations.empty() && x_texts.size() < 2)
      return Error{ErrorKind::kCorrupt, "no profile: it holds no types, places and texts",
                   "UC-E020"};
    std::string names;
    for (size_t i = 0; i < x_types.size(); ++i) {
      const auto name = text(x_types[i]);
      names.append(i == 0 ? "" : ", ").append(name);
      const auto put = [&](std::string_view wanted, size_t at) {
        if (name == wanted) x_value_of[at] = i;
      };
      put("goroutine", 0);
      put("goroutineleak", 0);
      put("alloc_objects", 0);
      put("alloc_space", 1);
      put("inuse_objects", 2);
      put("inuse_space", 3);
      put("objects", 2);  // as converted from the older text form
      put("space", 3);
      put("contentions", 0);
      put("delay", 1);
      if (name == "goroutine" || name == "goroutineleak" || name == "inuse_space" ||
          name == "space" || name == "delay")
        captured.name = name;
    }
    if (captured.name == "goroutine" || captured.name == "goroutineleak") {
      captured.kind = ProfileKind::kGoroutines;
    } else if (captured.name == "delay") {
      captured.kind = ProfileKind::kContention;
    } else if (!captured.name.empty()) {
      captured.kind = ProfileKind::kHeap;
      captured.name = "heap";
    } else if (x_texts.empty() && (x_damaged_at || x_samples > 0)) {
      // Cut before the texts, the first of which is in every profile, perhaps between two parts:
      // which kind it was is not known; one value a sample is a count.
      if (!x_damaged_at) x_damaged_at = x_bytes.size();
      captured.kind = x_types.size() == 4 ? ProfileKind::kHeap : ProfileKind::kGoroutines;
      captured.name = x_types.size() == 4 ? "heap" : "goroutine";
      for (size_t i = 0; i < x_types.size() && i < 4; ++i) x_value_of[i] = i;
    } else {
      return Error{ErrorKind::kUnsupported,
                   fmt::format("a profile of {}, which says nothing about goroutines or memory",
                               names.empty() ? "unnamed values" : names),
                   "UC-E020"};
    }
    return {};
  }

  NamedFrame frame_of(const Call& call) const {
    NamedFrame frame;
    if (const auto index = x_function_ids.find(call.function)) {
      frame.function = text(x_functions[*index].name);
      frame.file = text(x_functions[*index].file);
    }
    if (frame.function.empty()) frame.function = "[unknown]";
    frame.line = call.line;
    return frame;
  }

  // Of all its frames, so that a stack is hashed by one look for each of its places.
  void hash_locations() {
    for (Location& location : x_locations) {
      location.hash = location.count == 0 ? mix(1, location.address) : 0;
      for (uint32_t i = 0; i < location.count; ++i) {
        const Call& call = x_calls[location.first + i];
        const auto index = x_function_ids.find(call.function);
        const Function function = index ? x_functions[*index] : Function{};
        location.hash = mix(mix(location.hash, text(function.name)), text(function.file));
        location.hash = mix(location.hash, uint64_t{call.line});
      }
      location.hash |= 1;  // 0 is none
    }
    x_hash_by_id.resize(x_location_ids.dense_size());
    for (uint64_t id = 0; id < x_hash_by_id.size(); ++id) {
      const auto index = x_location_ids.find(id);
      if (index) x_hash_by_id[id] = x_locations[*index].hash;
    }
  }

  struct Sample {
    uint64_t key = 0, where = 0;
    SampleTable::Values values{};
  };

  Sample sample_of(Bytes part, ProfileKind kind) const {
    Sample sample;
    const auto at = static_cast<uint64_t>(part.data() - x_bytes.data());
    sample.where = at << 20 | std::min<uint64_t>(part.size(), 0xfffff);
    sample.key = static_cast<uint64_t>(kind) + 1;
    WireReader fields(part);
    size_t index = 0;
    while (fields.next()) {
      if (fields.field() == 1)
        fields.numbers([&](uint64_t id) { sample.key = key_with(sample.key, id); });
      if (fields.field() == 2) {
        fields.numbers([&](uint64_t value) {
          for (size_t i = 0; i < sample.values.size(); ++i)
            if (x_value_of[i] == index) sample.values[i] = static_cast<int64_t>(value);
          ++index;
        });
      }
    }
    return sample;
  }

  // Samples on their way from being read to their place in the table.
  struct Batch {
    std::vector<Sample> samples;
    std::binary_semaphore empty{1}, full{0};
  };
  static constexpr size_t kBatch = 4096, kAhead = 16;

  void read_samples(WireReader& fields, ProfileKind kind, std::vector<Sample>& into) const {
    into.clear();
    while (into.size() < kBatch && fields.next())
      if (fields.field() == 2) into.push_back(sample_of(fields.part(), kind));
  }

  // A sample's place is far from the last one's: it is fetched some samples ahead.
  void add_samples(const std::vector<Sample>& samples) {
    for (size_t i = 0; i < samples.size(); ++i) {
      if (i + kAhead < samples.size()) x_table.expect(samples[i + kAhead].key);
      x_table.add(samples[i].key, samples[i].values, samples[i].where);
    }
  }

  // Of many samples, one thread reads the next batch while this one sums up the last.
  void sum_samples(ProfileKind kind) {
    x_table.reserve(x_samples);
    WireReader fields(x_bytes);
    std::array<Batch, 2> batches;
    for (Batch& batch : batches) batch.samples.reserve(std::min(x_samples, kBatch));
    if (x_samples <= kBatch) {
      read_samples(fields, kind, batches[0].samples);
      return add_samples(batches[0].samples);
    }
    std::jthread reader;
    try {
      reader = std::jthread([&] {
        for (size_t i = 0;; ++i) {
          Batch& batch = batches[i % batches.size()];
          batch.empty.acquire();
          read_samples(fields, kind, batch.samples);
          const bool last = batch.samples.empty();
          batch.full.release();
          if (last) return;
        }
      });
    } catch (const std::system_error&) {  // no more threads here
      do {
        read_samples(fields, kind, batches[0].samples);
        add_samples(batches[0].samples);
      } while (!batches[0].samples.empty());
      return;
    }
    for (size_t i = 0;; ++i) {
      Batch& batch = batches[i % batches.size()];
      batch.full.acquire();
      if (batch.samples.empty()) return;
      add_samples(batch.samples);
      batch.empty.release();
    }
  }

  uint64_t key_with(uint64_t key, uint64_t id) const {
    if (id < x_hash_by_id.size() && x_hash_by_id[id] != 0) return mix(key, x_hash_by_id[id]);
    const auto index = x_location_ids.find(id);
    return mix(key, index ? x_locations[*index].hash : id);
  }

  // The stack of the sample at `where`: its offset and size.
  std::vector<NamedFrame> stack_at(uint64_t where) const {
    std::vector<NamedFrame> stack;
    const auto part = slice(x_bytes, where >> 20, where & 0xfffff);
    if (!part) return stack;
    WireReader sample(*part);
    while (sample.next()) {
      if (sample.field() == 1) sample.numbers([&](uint64_t id) { add_frames(id, stack); });
    }
    return stack;
  }

  void add_frames(uint64_t id, std::vector<NamedFrame>& stack) const {
    if (stack.size() >= kMostFrames) return;
    const auto index = x_location_ids.find(id);
    const Location location = index ? x_locations[*index] : Location{};
    if (location.count == 0) {
      NamedFrame frame;
      frame.function = fmt::format("[unknown]+{:#x}", location.address);
      stack.push_back(std::move(frame));
      return;
    }
    for (uint32_t i = 0; i < location.count; ++i) {
      NamedFrame frame = frame_of(x_calls[location.first + i]);
      frame.inlined = i + 1 < location.count;
      if (frame.function == "[unknown]")
        frame.function = fmt::format("[unknown]+{:#x}", location.address);
      stack.push_back(std::move(frame));
    }
  }

  Bytes x_bytes;
  std::vector<std::string_view> x_texts;
  std::vector<Function> x_functions;
  std::vector<Location> x_locations;
  std::vector<Call> x_calls;
  std::vector<uint64_t> x_types, x_hash_by_id;
  Ids x_function_ids, x_location_ids;
  std::array<size_t, 4> x_value_of = {SIZE_MAX, SIZE_MAX, SIZE_MAX, SIZE_MAX};
  SampleTable x_table;
  size_t x_samples = 0;
  std::optional<uint64_t> x_damaged_at;
  int64_t x_time = 0;
};

}  // namespace

Result<Captured> read_proto_profile(Bytes bytes) { return Reader(bytes).read(); }

}  // namespace unclosed
