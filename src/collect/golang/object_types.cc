#include "collect/golang/object_types.h"

#include <algorithm>
#include <array>

namespace unclosed {
namespace {

constexpr uint64_t kHeader = 8;           // before an object that carries its type
constexpr uint64_t kWithoutHeader = 512;  // the largest objects that carry none
constexpr size_t kMostLinks = 32;         // that are asked for an interface value
constexpr uint64_t kMostSpread = 4096;    // bytes of an object whose fields are followed

}  // namespace

ObjectTypes::ObjectTypes(GoProcess& process, const HeapMap& map, const HolderGraph& graph,
                         const HolderPaths& paths, TypeBook& book)
    : x_process(process), x_map(map), x_graph(graph), x_paths(paths), x_book(book) {
  for (uint32_t i = 0; i < graph.objects().size(); ++i)
    x_by_address.emplace(graph.objects()[i].address, i);
}

std::optional<uint32_t> ObjectTypes::object_at(uint64_t address) const {
  const auto found = x_by_address.find(address);
  return found == x_by_address.end() ? std::nullopt : std::optional(found->second);
}

bool ObjectTypes::fits(uint32_t object, const TypeInfo& type) {
  return type.size != 0 && type.size <= x_graph.objects()[object].size;
}

const TypeInfo* ObjectTypes::by_header(uint32_t object, uint64_t& start) {
  const auto& at = x_graph.objects()[object];
  if (x_process.layout().span_large_type == 0 || at.span >= x_map.spans().size()) return nullptr;
  const HeapSpan& span = x_map.spans()[at.span];
  start = at.address;
  if (span.single) return x_book.at(span.large_type);
  if (span.element_size <= kWithoutHeader) return nullptr;
  const auto word = x_process.memory().load<uint64_t>(at.address);
  start = at.address + kHeader;
  return word && *word ? x_book.at(**word) : nullptr;
}

// By an interface value that refers to its beginning.
const TypeInfo* ObjectTypes::by_interface(uint32_t object) {
  const auto links = x_paths.into(object);
  for (size_t i = 0; i < std::min(links.size(), kMostLinks); ++i) {
    const auto words =
        x_process.memory().load<std::array<uint64_t, 2>>(x_graph.links()[links[i]].word - 8);
    if (!words || !*words || (**words)[1] != x_graph.objects()[object].address) continue;
    const TypeInfo* type = x_book.of_interface((**words)[0]);
    if (type == nullptr) continue;
    type = x_book.behind(*type);
    if (type != nullptr && fits(object, *type)) return type;
  }
  return nullptr;
}

void ObjectTypes::set(uint32_t object, const TypeInfo* type, uint64_t start) {
  const auto& at = x_graph.objects()[object];
  if (start == 0) start = at.address;
  // Of an object that carries its type the value begins behind it.
  if (start == at.address && x_process.layout().span_large_type != 0 &&
      at.span < x_map.spans().size() && !x_map.spans()[at.span].single && at.size > kWithoutHeader)
    start += kHeader;
  x_known[object] = {type, start, type->size * 2 <= at.address + at.size - start};
  spread(object);
}

// What the fields of a typed object point to is typed, too.
void ObjectTypes::spread(uint32_t object) {
  const Known known = x_known[object];
  if (known.many || known.type->kind != TypeKind::kStruct || known.type->size > kMostSpread) return;
  std::vector<uint64_t> words(known.type->size / 8);
  const auto got = x_process.memory().read(known.start, std::as_writable_bytes(std::span(words)));
  if (!got || !*got) return;
  for (const auto& field : known.type->fields) {
    const TypeInfo* type = x_book.at(field.type);
    if (type == nullptr || type->kind != TypeKind::kPointer || field.offset / 8 >= words.size())
      continue;
    uint64_t target = words[field.offset / 8];
    const TypeInfo* element = x_book.at(type->element);
    if (element != nullptr &&
        (x_process.variables().data.holds(target) || x_process.variables().bss.holds(target)))
      x_statics.emplace(target, element);
    auto found = object_at(target);
    if (!found) found = object_at(target - kHeader);
    if (!found || element == nullptr || x_known[*found].type != nullptr || !fits(*found, *element))
      continue;
    x_known[*found] = {element, target, element->size * 2 <= x_graph.objects()[*found].size};
  }
}

ObjectTypes::Known ObjectTypes::of(uint32_t object) {
  const auto known = x_known.find(object);
  if (known != x_known.end()) return known->second;
  x_known.emplace(object, Known());
  uint64_t start = 0;
  const TypeInfo* type = by_header(object, start);
  if (type == nullptr) {
    start = 0;
    type = by_interface(object);
  }
  if (type != nullptr) set(object, type, start);
  return x_known[object];
}

void ObjectTypes::assume(uint32_t object, std::span<const std::string_view> names) {
  if (of(object).type != nullptr) return;
  const TypeInfo* found = nullptr;
  for (const std::string_view name : names) {
    for (const TypeInfo* type : x_book.named(name)) {
      if (!fits(object, *type) || type->size * 8 < x_graph.objects()[object].size * 7) continue;
      if (found != nullptr) return;
      found = type;
    }
  }
  if (found != nullptr) set(object, found);
}

void ObjectTypes::learn(uint32_t index) {
  const auto& link = x_graph.links()[index];
  if (of(link.holder).type != nullptr) return;
  const auto& holder = x_graph.objects()[link.holder];
  const uint64_t offset = link.word - holder.address;
  const Known target = of(link.target);
  const auto before = x_process.memory().load<uint64_t>(link.word - 8);
  const TypeInfo* interface =
      offset >= 8 && before && *before ? x_book.interface_of(**before) : nullptr;
  // Closures look like any struct; so does an interface value of any type.
  const auto first = x_process.memory().load<uint64_t>(holder.address);
  if (first && *first && x_process.text().holds(**first)) return;
  if (interface == nullptr && offset >= 8 && before && *before && x_book.at(**before) != nullptr)
    return;
  // A pointer into the middle of an array says nothing.
  const auto value = x_process.memory().load<uint64_t>(link.word);
  const bool whole = value && *value && **value == target.start && !target.many;
  if (interface == nullptr && (target.type == nullptr || !whole)) return;
  const bool carries = x_process.layout().span_large_type != 0 && holder.size > kWithoutHeader &&
                       holder.span < x_map.spans().size() && !x_map.spans()[holder.span].single;
  const uint64_t header = carries ? kHeader : 0;
  if (offset < header) return;
  const auto types = x_book.holding(holder.size, header, offset - header,
                                    interface != nullptr ? *interface : *target.type);
  if (types.size() == 1) set(link.holder, types.front());
}

std::optional<ObjectTypes::Known> ObjectTypes::static_at(uint64_t address) const {
  const auto after = x_statics.upper_bound(address);
  if (after == x_statics.begin()) return std::nullopt;
  const auto [start, type] = *std::prev(after);
  return address - start < type->size ? std::optional(Known{type, start, false}) : std::nullopt;
}

bool ObjectTypes::is_processor(uint32_t object) {
  const auto& at = x_graph.objects()[object];
  constexpr uint64_t kLeast = 8192, kMost = 20480;
  constexpr uint32_t kMostProcessors = 4096, kMostStates = 4;
  if (at.size < kLeast || at.size > kMost) return false;
  const auto known = of(object);
  if (known.type != nullptr) return known.type->name == "runtime.p";
  // Where objects carry no types: a processor begins with its number and its state.
  if (x_process.layout().span_large_type != 0) return false;
  const auto words = x_process.memory().load<std::array<uint32_t, 2>>(at.address);
  return words && *words && (**words)[0] < kMostProcessors && (**words)[1] <= kMostStates;
}

// Every stack may have a word that leads there.
bool ObjectTypes::of_scheduler(uint32_t object) {
  if (is_processor(object)) return true;
  const auto known = of(object);
  return known.type != nullptr &&
         (known.type->name == "runtime.m" || known.type->name == "runtime.g");
}

std::optional<TypePlace> ObjectTypes::field_of(uint32_t index) {
  const auto& link = x_graph.links()[index];
  const Known holder = of(link.holder);
  if (holder.type == nullptr || holder.type->size == 0 || link.word < holder.start)
    return std::nullopt;
  const uint64_t offset = link.word - holder.start;
  if (!holder.many && offset >= holder.type->size) return std::nullopt;
  return x_book.place_at(*holder.type, offset % holder.type->size);
}

}  // namespace unclosed
