#include "collect/golang/go_map.h"

#include <algorithm>
#include <array>

namespace unclosed {
namespace {

constexpr uint64_t kEntries = 8;          // of a bucket or group
constexpr uint64_t kMostBuckets = 1 << 17;
constexpr uint64_t kMostChain = 1 << 12;  // buckets behind full ones
constexpr uint64_t kMostTables = 1 << 12;
constexpr size_t kMostValues = 1 << 17;

const TypeInfo::Field* field_of(const TypeInfo& type, std::string_view name) {
  for (const auto& field : type.fields) {
    if (field.name == name) return &field;
  }
  return nullptr;
}

class MapReader {
 public:
  MapReader(GoProcess& process, TypeBook& book, uint64_t map, uint64_t& left)
      : x_memory(process.memory()), x_book(book), x_map(map), x_left(left) {}
  // Each adds the values to what was found; false: not all could be read.
  bool buckets(const TypeInfo& bucket, uint64_t value_size);
  bool groups(const TypeInfo& group);
  std::vector<uint64_t> take() { return std::move(x_values); }

 private:
  bool may_go_on() const { return x_left > 0 && x_values.size() <= kMostValues; }
  bool bucket_list(const TypeInfo& bucket, uint64_t value_size, uint64_t at, uint64_t count);
  bool group_list(const TypeInfo& group, uint64_t at, uint64_t count);
  template <class T>
  std::optional<T> load(uint64_t address) {
    const auto value = x_memory.load<T>(address);
    return value ? *value : std::nullopt;
  }

  RemoteMemory& x_memory;
  TypeBook& x_book;
  uint64_t x_map;
  uint64_t& x_left;
  std::vector<uint64_t> x_values;
};

// Buckets in a row, each with a chain of more.
bool MapReader::bucket_list(const TypeInfo& bucket, uint64_t value_size, uint64_t at,
                            uint64_t count) {
  constexpr uint8_t kLeastFull = 5;  // of a top byte; below are marks for empty and moved entries
  const auto *const values = field_of(bucket, "elems"), *const more = field_of(bucket, "overflow");
  if (values == nullptr || more == nullptr || count > kMostBuckets) return false;
  uint64_t chained = 0;
  for (uint64_t i = 0; i < count; ++i) {
    for (uint64_t one = at + i * bucket.size; one != 0;) {
      const auto tops = load<std::array<uint8_t, kEntries>>(one);
      const auto next = load<uint64_t>(one + more->offset);
      if (!tops || !next || ++chained > count + kMostChain || !may_go_on()) return false;
      --x_left;
      for (uint64_t entry = 0; entry < kEntries; ++entry) {
        if ((*tops)[entry] >= kLeastFull)
          x_values.push_back(one + values->offset + entry * value_size);
      }
      one = *next;
    }
  }
  return true;
}

// Up to Go 1.23: 2^B buckets, and while it grows those that were not emptied yet.
bool MapReader::buckets(const TypeInfo& bucket, uint64_t value_size) {
  constexpr uint64_t kFlagsAt = 8, kLogarithmAt = 9, kBucketsAt = 16, kOldAt = 24;
  constexpr uint8_t kSameSize = 8;
  const auto flags = load<uint8_t>(x_map + kFlagsAt);
  const auto logarithm = load<uint8_t>(x_map + kLogarithmAt);
  const auto now = load<uint64_t>(x_map + kBucketsAt), old = load<uint64_t>(x_map + kOldAt);
  if (!flags || !logarithm || !now || !old || *logarithm > 17) return false;
  const uint64_t count = uint64_t{1} << *logarithm;
  const uint64_t before = (*flags & kSameSize) != 0 ? count : count / 2;
  return (*now == 0 || bucket_list(bucket, value_size, *now, count)) &&
         (*old == 0 || bucket_list(bucket, value_size, *old, before));
}

bool MapReader::group_list(const TypeInfo& group, uint64_t at, uint64_t count) {
  const auto* const slots = field_of(group, "slots");
  const TypeInfo* all = slots == nullptr ? nullptr : x_book.at(slots->type);
  const TypeInfo* slot = all == nullptr ? nullptr : x_book.at(all->element);
  const auto* const value = slot == nullptr ? nullptr : field_of(*slot, "elem");
  if (value == nullptr || all->length != kEntries || count > kMostBuckets) return false;
  for (uint64_t i = 0; i < count; ++i) {
    const uint64_t one = at + i * group.size;
    const auto control = load<std::array<uint8_t, kEntries>>(one);
    if (!control || !may_go_on()) return false;
    --x_left;
    for (uint64_t entry = 0; entry < kEntries; ++entry) {
      if (((*control)[entry] & 0x80) == 0)
        x_values.push_back(one + slots->offset + entry * slot->size + value->offset);
    }
  }
  return true;
}

// From Go 1.24 on: one group, or a directory of tables of groups.
bool MapReader::groups(const TypeInfo& group) {
  constexpr uint64_t kDirectoryAt = 16, kLengthAt = 24, kGroupsAt = 16, kMaskAt = 24;
  const auto directory = load<uint64_t>(x_map + kDirectoryAt);
  const auto length = load<uint64_t>(x_map + kLengthAt);
  if (!directory || !length || *length > kMostTables) return false;
  if (*directory == 0) return true;
  if (*length == 0) return group_list(group, *directory, 1);
  uint64_t before = 0;
  for (uint64_t i = 0; i < *length; ++i) {
    // One table may stand at several places, one behind the other.
    const auto table = load<uint64_t>(*directory + i * 8);
    if (!table) return false;
    if (*table == before) continue;
    before = *table;
    const auto at = load<uint64_t>(*table + kGroupsAt), mask = load<uint64_t>(*table + kMaskAt);
    if (!at || !mask || *mask >= kMostBuckets || !group_list(group, *at, *mask + 1)) return false;
  }
  return true;
}

}  // namespace

std::optional<std::vector<uint64_t>> go_map_values(GoProcess& process, TypeBook& book,
                                                   const TypeInfo& type, uint64_t map,
                                                   uint64_t& left) {
  const TypeInfo* part = book.at(type.bucket);
  const TypeInfo* value = book.at(type.element);
  if (map == 0) return std::vector<uint64_t>();
  if (part == nullptr || value == nullptr || part->size == 0) return std::nullopt;
  // Values of more bytes are kept elsewhere.
  constexpr uint64_t kLargestInside = 128;
  if (value->size > kLargestInside) return std::nullopt;
  MapReader reader(process, book, map, left);
  const bool read = field_of(*part, "topbits") != nullptr ? reader.buckets(*part, value->size)
                                                          : reader.groups(*part);
  return read ? std::optional(reader.take()) : std::nullopt;
}

}  // namespace unclosed
