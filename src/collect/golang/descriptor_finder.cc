#include "collect/golang/descriptor_finder.h"

#include <array>
#include <set>
#include <utility>

namespace unclosed {
namespace {

// How far a connection is looked for behind what refers to it.
constexpr unsigned kMostSteps = 10;
constexpr size_t kMostPlaces = 4000;
constexpr uint64_t kMostFollowed = 2 << 20;

}  // namespace

const TypeInfo* DescriptorFinder::behind_table(uint64_t itab) {
  const auto table = itab < 4096 ? std::nullopt : x_types.itab(itab);
  return table ? x_types.at(table->type) : nullptr;
}

// What the value of this type at this address refers to, if it is a structure.
std::optional<DescriptorFinder::Place> DescriptorFinder::inside(const TypeInfo& type,
                                                                uint64_t address, unsigned depth) {
  const bool pointer = type.kind == TypeKind::kPointer;
  if ((!pointer && type.kind != TypeKind::kInterface) || ++x_followed > kMostFollowed)
    return std::nullopt;
  const TypeInfo* target = nullptr;
  uint64_t data = 0;
  if (pointer) {
    const auto word = x_process.memory().load<uint64_t>(address);
    if (!word || !*word) return std::nullopt;
    target = x_types.at(type.element);
    data = **word;
  } else {
    const auto words = x_process.memory().load<std::array<uint64_t, 2>>(address);
    if (!words || !*words || (**words)[0] == 0) return std::nullopt;
    target = type.methods ? behind_table((**words)[0]) : x_types.at((**words)[0]);
    data = (**words)[1];
    if (target != nullptr && target->kind == TypeKind::kPointer)
      target = x_types.at(target->element);
  }
  if (target == nullptr || target->kind != TypeKind::kStruct || data < 4096) return std::nullopt;
  return Place{target, data, depth + 1};
}

// The structure, and those within it, field by field.
void DescriptorFinder::enqueue(const Place& place, std::vector<Place>& queue) {
  for (const TypeInfo::Field& field : place.type->fields) {
    const TypeInfo* type = queue.size() < kMostPlaces ? x_types.at(field.type) : nullptr;
    if (type == nullptr || field.offset >= place.type->size) continue;
    const uint64_t address = place.address + field.offset;
    if (type->kind == TypeKind::kStruct) {
      queue.push_back({type, address, place.depth});
    } else if (const auto found = inside(*type, address, place.depth)) {
      queue.push_back(*found);
    }
  }
}

// Breadth first: what is nearest is its own, not that of something it knows.
std::optional<uint64_t> DescriptorFinder::nearest_file(const Place& first) {
  std::vector<Place> queue = {first};
  std::set<std::pair<uint64_t, uint64_t>> seen;
  for (size_t i = 0; i < queue.size(); ++i) {
    const Place place = queue[i];
    if (!seen.emplace(place.address, place.type->address).second) continue;
    if (place.type->name == "internal/poll.FD") return place.address;
    if (place.depth < kMostSteps) enqueue(place, queue);
  }
  return std::nullopt;
}

std::optional<int> DescriptorFinder::behind(uint64_t address) {
  TypeInfo value;
  value.kind = TypeKind::kInterface;
  value.methods = true;
  const auto first = inside(value, address, 0);
  const auto file = first ? nearest_file(*first) : std::nullopt;
  if (!file) return std::nullopt;
  const auto fd = x_process.memory().load<int64_t>(*file + x_process.layout().file_number);
  if (fd && *fd && **fd >= 0 && **fd <= INT32_MAX) return static_cast<int>(**fd);
  return std::nullopt;
}

std::optional<uint64_t> DescriptorFinder::file_behind(uint64_t type, uint64_t address) {
  const TypeInfo* value = x_types.at(type);
  if (value == nullptr) return std::nullopt;
  const auto first = value->kind == TypeKind::kStruct ? std::optional(Place{value, address, 0})
                                                      : inside(*value, address, 0);
  return first ? nearest_file(*first) : std::nullopt;
}

}  // namespace unclosed
