#include "ledger/packed.h"

#include <cstring>

#include "base/check.h"

namespace unclosed {
namespace {

class Writer {
 public:
  explicit Writer(Instant base) : x_base(base) {}
  void number(uint64_t value) {
    while (value >= 0x80) {
      put(static_cast<uint8_t>(value | 0x80));
      value >>= 7;
    }
    put(static_cast<uint8_t>(value));
  }
  void signed_number(int64_t value) {
    number((static_cast<uint64_t>(value) << 1) ^ static_cast<uint64_t>(value >> 63));
  }
  template <class T>
  void field(T& value) {
    number(static_cast<uint64_t>(value));
  }
  void field(int& value) { signed_number(value); }
  void field(Instant& at) { signed_number(at.ns - x_base.ns); }
  void field(Duration& duration) { signed_number(duration.count()); }
  void field(std::string& text) {
    number(text.size());
    raw(text.data(), text.size());
  }
  void raw(const void* data, size_t size) {
    const auto* first = static_cast<const uint8_t*>(data);
    x_bytes.insert(x_bytes.end(), first, first + size);
  }
  bool present(bool here) {
    put(here ? 1 : 0);
    return here;
  }
  const std::vector<uint8_t>& bytes() const { return x_bytes; }
  void restart(Instant base) {
    x_base = base;
    x_bytes.clear();
  }

 private:
  void put(uint8_t byte) { x_bytes.push_back(byte); }
  Instant x_base;
  std::vector<uint8_t> x_bytes;
};

class Reader {
 public:
  Reader(const std::byte* bytes, size_t size, Instant base)
      : x_at(reinterpret_cast<const uint8_t*>(bytes)), x_end(x_at + size), x_base(base) {}
  uint64_t number() {
    uint64_t value = 0;
    for (int shift = 0;; shift += 7) {
      const uint8_t byte = get();
      value |= static_cast<uint64_t>(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
  }
  int64_t signed_number() {
    const uint64_t value = number();
    return static_cast<int64_t>(value >> 1) ^ -static_cast<int64_t>(value & 1);
  }
  template <class T>
  void field(T& value) {
    value = static_cast<T>(number());
  }
  void field(int& value) { value = static_cast<int>(signed_number()); }
  void field(Instant& at) { at.ns = signed_number() + x_base.ns; }
  void field(Duration& duration) { duration = Duration(signed_number()); }
  void field(std::string& text) {
    text.resize(number());
    raw(text.data(), text.size());
  }
  void raw(void* data, size_t size) {
    CHECK(size <= static_cast<size_t>(x_end - x_at));
    std::memcpy(data, x_at, size);
    x_at += size;
  }
  bool present(bool /*here*/) { return get() != 0; }

 private:
  uint8_t get() {
    CHECK(x_at != x_end);
    return *x_at++;
  }
  const uint8_t* x_at;
  const uint8_t* x_end;
  Instant x_base;
};

template <class Archive>
void visit(Archive& archive, Use& use) {
  archive.field(use.stack);
  archive.field(use.at);
  archive.field(use.by.thread);
  archive.field(use.by.goroutine);
}

template <class Archive>
void visit(Archive& archive, std::optional<Use>& use) {
  if (!archive.present(use.has_value())) return;
  if (!use) use.emplace();
  visit(archive, *use);
}

template <class Archive>
void visit(Archive& archive, std::optional<Instant>& at) {
  if (!archive.present(at.has_value())) return;
  if (!at) at.emplace();
  archive.field(*at);
}

template <class Archive>
void visit(Archive& archive, Endpoint& endpoint) {
  archive.field(endpoint.family);
  if (endpoint.family == 0) return;
  archive.field(endpoint.port);
  // An IPv4 address leaves the rest zero.
  const bool is_long =
      archive.present(endpoint.address[4] != 0 || endpoint.address[5] != 0 ||
                      std::memcmp(&endpoint.address[6], &endpoint.address[4], 10) != 0);
  archive.raw(endpoint.address.data(), is_long ? 16 : 4);
}

// One list for both directions, so that they cannot disagree.
template <class Archive>
void visit(Archive& archive, ConnectionFacts& facts) {
  archive.field(facts.id.object);
  archive.field(facts.id.generation);
  archive.field(facts.opener.pid);
  archive.field(facts.opener.start_ticks);
  archive.field(facts.kind);
  archive.field(facts.role);
  archive.field(facts.before_attach);
  archive.field(facts.shared);
  archive.field(facts.inode);
  visit(archive, facts.local);
  visit(archive, facts.peer);
  archive.field(facts.name);
  visit(archive, facts.opened);
  visit(archive, facts.duplicated);
  visit(archive, facts.copied_from);
  for (auto& request : facts.requests) visit(archive, request);
  // Newest first: behind the first that is absent there are none.
  for (size_t i = 0; i < facts.borrowed.size(); ++i) {
    visit(archive, facts.borrowed[i]);
    if (!facts.borrowed[i]) break;
    archive.field(facts.borrowed_times[i]);
  }
  visit(archive, facts.returned);
  visit(archive, facts.first_receive);
  visit(archive, facts.tenure);
  archive.field(facts.opening_in_tenure);
  archive.field(facts.request_count);
  archive.field(facts.tenure_count);
  archive.field(facts.unasked_receives);
  archive.field(facts.bytes_sent);
  archive.field(facts.bytes_received);
  visit(archive, facts.last_send);
  visit(archive, facts.last_receive);
  archive.field(facts.longest_idle_gap);
  visit(archive, facts.connect_started);
  visit(archive, facts.connect_finished);
  archive.field(facts.connect_errno);
  archive.field(facts.state);
  visit(archive, facts.state_since);
  visit(archive, facts.peer_closed_at);
  visit(archive, facts.end_seen_at);
  archive.field(facts.end_errno);
  visit(archive, facts.told_of_end);
  visit(archive, facts.partly_closed_at);
  archive.field(facts.recv_queue);
  archive.field(facts.send_queue);
  archive.field(facts.unanswered_probes);
  archive.field(facts.keepalive);
}

template <class Archive>
void visit(Archive& archive, Descriptor& descriptor) {
  archive.field(descriptor.process.pid);
  archive.field(descriptor.process.start_ticks);
  archive.field(descriptor.fd);
}

template <class Archive>
void visit(Archive& archive, Copy& copy) {
  visit(archive, copy.place);
  visit(archive, copy.made);
  archive.field(copy.how);
}

template <class Item>
void write_all(Writer& writer, std::span<const Item> items) {
  writer.number(items.size());
  // The visitor is shared with the reader and takes mutable references; the writer only reads.
  for (const Item& item : items) visit(writer, const_cast<Item&>(item));
}

template <class Item>
std::vector<Item> read_all(Reader& reader) {
  std::vector<Item> found(reader.number());
  for (Item& item : found) visit(reader, item);
  return found;
}

}  // namespace

PackedFacts::PackedFacts(const ConnectionFacts& facts, std::span<const Descriptor> descriptors,
                         Instant base, std::span<const Copy> copies) {
  thread_local Writer writer{Instant{}};
  writer.restart(base);
  visit(writer, const_cast<ConnectionFacts&>(facts));  // as in write_all
  write_all(writer, descriptors);
  write_all(writer, copies);
  x_size = static_cast<uint32_t>(writer.bytes().size());
  x_bytes = std::make_unique_for_overwrite<std::byte[]>(x_size);
  std::memcpy(x_bytes.get(), writer.bytes().data(), x_size);
}

ConnectionFacts PackedFacts::facts(Instant base) const {
  ConnectionFacts facts;
  Reader reader(x_bytes.get(), x_size, base);
  visit(reader, facts);
  return facts;
}

std::vector<Descriptor> PackedFacts::descriptors(Instant base) const {
  ConnectionFacts facts;
  Reader reader(x_bytes.get(), x_size, base);
  visit(reader, facts);
  return read_all<Descriptor>(reader);
}

std::vector<Copy> PackedFacts::copies(Instant base) const {
  ConnectionFacts facts;
  Reader reader(x_bytes.get(), x_size, base);
  visit(reader, facts);
  (void)read_all<Descriptor>(reader);
  return read_all<Copy>(reader);
}

}  // namespace unclosed
