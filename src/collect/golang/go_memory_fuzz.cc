// Reads a recorded Go process whose memory was changed as the input says: its first byte chooses
// what is known of the binary, then each change is a number of what is done, a word of the
// recording, and what is to stand there. Reading must end soon, whatever stands in memory.
#include <cstdint>
#include <fstream>
#include <iterator>

#include "base/bytes.h"
#include "base/check.h"
#include "collect/golang/recorded_process.h"

namespace unclosed {
namespace {

// What one process of some hundred kilobytes may cost: a hundred times of what it does.
constexpr uint64_t kMostCalls = 3'000'000, kMostBytes = uint64_t{16} << 30;

constexpr uint64_t kMostUnused = 256 << 10;

struct Base {
  GoRecording recording;
  std::vector<uint64_t> words;  // addresses of all that are not zero
  std::vector<uint64_t> pages;
};

const Base& base() {
  static const Base kBase = [] {
    std::ifstream file(std::string(UNCLOSED_SOURCE_DIR) + "/tests/data/go_memory/recording");
    const std::string text{std::istreambuf_iterator<char>(file), {}};
    auto recording = GoRecording::of(text);
    CHECK(recording && !recording->pages.empty());
    Base made{std::move(*recording), {}, {}};
    for (const auto& [start, page] : made.recording.pages) {
      made.pages.push_back(start);
      for (uint64_t at = 0; at < page.size(); at += 8)
        if (load<uint64_t>(Bytes(page), at) != uint64_t{0}) made.words.push_back(start + at);
    }
    return made;
  }();
  return kBase;
}

class Input {
 public:
  Input(const uint8_t* data, size_t size) : x_bytes(std::as_bytes(std::span(data, size))) {}
  bool more() const { return x_at < x_bytes.size(); }
  template <class T>
  T take() {
    const auto value = load<T>(x_bytes, x_at);
    x_at = std::min(x_at + sizeof(T), x_bytes.size());
    return value.value_or(T{});
  }
  uint64_t word() { return base().words[take<uint16_t>() % base().words.size()]; }

 private:
  Bytes x_bytes;
  size_t x_at = 0;
};

uint64_t value_at(uint64_t address) {
  const auto page = base().recording.pages.find(address / GoRecording::kPage * GoRecording::kPage);
  return load<uint64_t>(Bytes(page->second), address % GoRecording::kPage).value_or(0);
}

void change(Input& input, RecordedMemory& memory) {
  constexpr std::array<uint64_t, 16> kValues = {0,
                                                1,
                                                2,
                                                8,
                                                4096,
                                                0xffff,
                                                uint64_t{1} << 20,
                                                1 << 26,
                                                1 << 30,
                                                1u << 31,
                                                1ULL << 40,
                                                1ULL << 47,
                                                INT64_MAX,
                                                1ULL << 63,
                                                UINT64_MAX - 7,
                                                UINT64_MAX};
  const auto what = input.take<uint8_t>();
  const uint64_t at = input.word();
  switch (what % 8) {
    case 0:
      return memory.put(at, input.take<uint64_t>());
    case 1: {  // a pointer to somewhere else that is known
      const uint64_t to = input.word();
      return memory.put(at, to + static_cast<uint64_t>(int64_t{input.take<int8_t>()}));
    }
    case 2:
      return memory.put(at, kValues[input.take<uint8_t>() % kValues.size()]);
    case 3:
      return memory.put(at, value_at(at) + static_cast<uint64_t>(int64_t{input.take<int16_t>()}));
    case 4:  // another place's value, beside a word that is known
      return memory.put(at + static_cast<uint64_t>(int64_t{input.take<int8_t>()} * 8),
                        value_at(input.word()));
    case 5: {  // part of a word
      const auto into = at + input.take<uint8_t>() % 8;
      const auto byte = std::byte{input.take<uint8_t>()};
      return memory.write(into, std::span(&byte, 1));
    }
    case 6:
      return memory.unmap(at);
    default: {  // memory that costs its owner nothing: a page, again and again
      const uint64_t start = input.take<uint64_t>() % (uint64_t{1} << 47) & ~uint64_t{4095};
      return memory.repeat(start, start + (uint64_t{4096} << input.take<uint8_t>() % 36), at);
    }
  }
}

}  // namespace
}  // namespace unclosed

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace unclosed;
  static const RecordedProc kProc(base().recording);
  Input input(data, size);
  RecordedMemory memory(base().recording);
  RecordedCode code(base().recording);
  const auto chosen = input.take<uint8_t>();
  if ((chosen & 1) != 0) code.strip();
  if ((chosen & 2) != 0) code.hide_goroutines();
  if ((chosen & 4) != 0) code.layout().minor = 22;  // maps of buckets
  if ((chosen & 8) != 0) {                          // marks in the offsets of fields
    code.layout().minor = 18;
    code.version() = "go1.18.10";
  }
  if ((chosen & 16) != 0) code.layout().span_large_type = 0;
  // Tens of megabytes that hold nothing take all the time of a search without symbols.
  const uint64_t unused = base().recording.module_data + code.layout().module_noptrbss;
  memory.put(unused + 8, std::min(value_at(unused + 8), value_at(unused) + kMostUnused));
  while (input.more()) change(input, memory);

  auto process = GoProcess::open(
      RemoteMemory::over(RecordedProc::kProcess,
                         [&](auto local, auto remote) { return memory.read(local, remote); }),
      code, kProc.proc());
  if (process) recording::tell(*process, code, {.most_seconds = 2, .between_moments = {}});
  CHECK(memory.calls() < kMostCalls && memory.bytes() < kMostBytes);
  return 0;
}
