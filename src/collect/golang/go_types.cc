#include "collect/golang/go_types.h"

#include <algorithm>
#include <array>
#include <set>

#include "base/bytes.h"

namespace unclosed {
namespace {

// internal/abi.Type (runtime._type before Go 1.21), the same in all releases that are read.
constexpr uint64_t kTypeSize = 48, kFlagsAt = 20, kKindAt = 23, kNameAt = 40;
constexpr uint64_t kElementAt = 48, kFieldsAt = 56, kMethodsAt = 56;
constexpr uint8_t kExtraStar = 2, kKindMask = 31;
constexpr uint64_t kFieldSize = 24, kMostFields = 1000, kLongestName = 512;
// How far a connection is looked for behind what refers to it.
constexpr unsigned kMostSteps = 10;
constexpr size_t kMostPlaces = 4000;

}  // namespace

// A name is flags, a length in groups of seven bits, and the text.
std::string GoTypes::name_at(uint64_t address) {
  std::array<std::byte, kLongestName> bytes{};
  const auto got = x_process.memory().read(address, bytes);
  if (!got || !*got) return "";
  uint64_t length = 0, at = 1;
  for (unsigned shift = 0; at < 4; ++at, shift += 7) {
    const auto part = static_cast<uint8_t>(bytes[at]);
    length |= uint64_t{part & 0x7fU} << shift;
    if ((part & 0x80) == 0) break;
  }
  ++at;
  const auto text = slice(Bytes(bytes), at, std::min<uint64_t>(length, kLongestName - at));
  return text ? std::string(reinterpret_cast<const char*>(text->data()), text->size()) : "";
}

std::optional<GoType> GoTypes::read(uint64_t address) {
  const AddressRange& types = x_process.types();
  if (!types.holds(address) || address % 8 != 0) return std::nullopt;
  std::array<std::byte, kTypeSize + 32> bytes{};
  const auto got = x_process.memory().read(address, bytes);
  if (!got || !*got) return std::nullopt;
  const auto word = [&](uint64_t at) { return load<uint64_t>(Bytes(bytes), at).value_or(0); };
  GoType type;
  type.address = address;
  type.size = word(0);
  type.kind = load<uint8_t>(Bytes(bytes), kKindAt).value_or(0) & kKindMask;
  if (type.kind == 0 || type.kind > 26) return std::nullopt;
  type.name = name_at(types.start + load<uint32_t>(Bytes(bytes), kNameAt).value_or(0));
  if ((load<uint8_t>(Bytes(bytes), kFlagsAt).value_or(0) & kExtraStar) != 0 && !type.name.empty())
    type.name.erase(0, 1);
  if (type.is(GoKind::kPointer)) type.element = word(kElementAt);
  if (type.is(GoKind::kInterface)) type.methods = word(kMethodsAt + 8) != 0;
  if (!type.is(GoKind::kStruct)) return type;
  const uint64_t count = word(kFieldsAt + 8);
  if (count > kMostFields) return std::nullopt;
  std::vector<uint64_t> words(count * kFieldSize / 8);
  const auto read =
      x_process.memory().read(word(kFieldsAt), std::as_writable_bytes(std::span(words)));
  if (!read || !*read) return std::nullopt;
  for (size_t i = 0; i + 3 <= words.size(); i += 3) {
    // Go 1.18 keeps a mark in the lowest bit.
    const uint64_t offset = x_process.layout().minor <= 18 ? words[i + 2] >> 1 : words[i + 2];
    type.fields.push_back({words[i + 1], offset});
  }
  return type;
}

const GoType* GoTypes::at(uint64_t address) {
  auto known = x_types.find(address);
  if (known == x_types.end()) known = x_types.emplace(address, read(address)).first;
  return known->second ? &*known->second : nullptr;
}

const GoType* GoTypes::behind_table(uint64_t itab) {
  struct Table {
    uint64_t interface = 0, type = 0;
  };
  if (itab < 4096 || itab % 8 != 0) return nullptr;
  const auto table = x_process.memory().load<Table>(itab);
  if (!table || !*table) return nullptr;
  const GoType* interface = at((*table)->interface);
  return interface != nullptr && interface->is(GoKind::kInterface) ? at((*table)->type) : nullptr;
}

// What the value of this type at this address refers to, if it is a structure.
std::optional<GoTypes::Place> GoTypes::inside(const GoType& type, uint64_t address,
                                              unsigned depth) {
  const GoType* target = nullptr;
  uint64_t data = 0;
  if (type.is(GoKind::kPointer)) {
    const auto word = x_process.memory().load<uint64_t>(address);
    if (!word || !*word) return std::nullopt;
    target = at(type.element);
    data = **word;
  } else if (type.is(GoKind::kInterface)) {
    const auto words = x_process.memory().load<std::array<uint64_t, 2>>(address);
    if (!words || !*words || (**words)[0] == 0) return std::nullopt;
    target = type.methods ? behind_table((**words)[0]) : at((**words)[0]);
    data = (**words)[1];
    if (target != nullptr && target->is(GoKind::kPointer)) target = at(target->element);
  }
  if (target == nullptr || !target->is(GoKind::kStruct) || data < 4096) return std::nullopt;
  return Place{target, data, depth + 1};
}

// The structure, and those within it, field by field.
void GoTypes::enqueue(const Place& place, std::vector<Place>& queue) {
  for (const GoTypeField& field : place.type->fields) {
    const GoType* type = queue.size() < kMostPlaces ? at(field.type) : nullptr;
    if (type == nullptr || field.offset >= place.type->size) continue;
    const uint64_t address = place.address + field.offset;
    if (type->is(GoKind::kStruct)) {
      queue.push_back({type, address, place.depth});
    } else if (const auto found = inside(*type, address, place.depth)) {
      queue.push_back(*found);
    }
  }
}

std::optional<int> GoTypes::descriptor_behind(uint64_t address) {
  GoType value;
  value.kind = static_cast<uint8_t>(GoKind::kInterface);
  value.methods = true;
  const auto first = inside(value, address, 0);
  if (!first) return std::nullopt;
  // Breadth first: what is nearest is its own, not that of something it knows.
  std::vector<Place> queue = {*first};
  std::set<std::pair<uint64_t, uint64_t>> seen;
  for (size_t i = 0; i < queue.size(); ++i) {
    const Place place = queue[i];
    if (!seen.emplace(place.address, place.type->address).second) continue;
    if (place.type->name == "poll.FD") {
      const uint64_t number = place.address + x_process.layout().file_number;
      const auto fd = x_process.memory().load<int64_t>(number);
      if (fd && *fd && **fd >= 0 && **fd <= INT32_MAX) return static_cast<int>(**fd);
      return std::nullopt;
    }
    if (place.depth < kMostSteps) enqueue(place, queue);
  }
  return std::nullopt;
}

}  // namespace unclosed
