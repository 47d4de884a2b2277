#include "collect/golang/type_book.h"

#include <algorithm>

namespace unclosed {
namespace {

constexpr uint64_t kMostKnown = 1 << 20;
constexpr size_t kMostPlaces = 4 << 20;  // of pointers in structs
constexpr size_t kMostTried = 1 << 14;   // structs with one kind of word at one place
constexpr size_t kMostHolding = 8;       // that hold one kind of word at one place
constexpr size_t kMostNamed = 64;        // types of one name that are told
constexpr int kMostNesting = 16;

uint64_t key_of(uint64_t offset, uint64_t type) { return type * 0x9e3779b97f4a7c15ULL + offset; }

}  // namespace

uint64_t TypeBook::least_value(uint64_t size) {
  if (size <= 32) return size - 8 + 1;
  if (size <= 256) return size - 16 + 1;
  if (size <= 512) return size - 32 + 1;
  if (size <= 768) return size - 64 + 1;
  return size - size / 4;
}

const TypeInfo* TypeBook::of_interface(uint64_t word) {
  if (const TypeInfo* type = at(word)) return type;
  const auto found = x_reader.itab(word);
  return found ? at(found->type) : nullptr;
}

// A value that is a single pointer stands in the interface itself, also within structs and arrays.
const TypeInfo* TypeBook::behind(const TypeInfo& type) {
  const TypeInfo* now = &type;
  for (int depth = 0; depth < kMostNesting && now != nullptr; ++depth) {
    if (now->kind == TypeKind::kPointer) return at(now->element);
    if (now->kind == TypeKind::kFunction || now->kind == TypeKind::kMap ||
        now->kind == TypeKind::kChannel || now->kind == TypeKind::kUnsafePointer)
      return nullptr;
    const bool one =
        now->size == 8 && ((now->kind == TypeKind::kStruct && now->fields.size() == 1) ||
                           (now->kind == TypeKind::kArray && now->length == 1));
    if (!one) return &type;
    now = at(now->kind == TypeKind::kStruct ? now->fields.front().type : now->element);
  }
  return nullptr;
}

const TypeInfo* TypeBook::interface_of(uint64_t word) {
  const auto found = x_reader.itab(word);
  return found ? at(found->interface) : nullptr;
}

// Everything that the linker's list of types leads to.
void TypeBook::find_all() {
  if (x_all) return;
  x_all = true;
  std::vector<uint64_t> todo;
  const auto links = x_process->type_links();
  for (const int32_t offset : links)
    todo.push_back(x_reader.range().start + static_cast<uint32_t>(offset));
  for (const uint64_t one : x_process->method_tables())
    if (const auto found = x_reader.itab(one)) todo.push_back(found->type);
  std::unordered_map<uint64_t, bool> seen;
  while (!todo.empty() && seen.size() < kMostKnown) {
    const uint64_t address = todo.back();
    todo.pop_back();
    if (address == 0 || !seen.emplace(address, true).second) continue;
    const TypeInfo* type = at(address);
    if (type == nullptr) continue;
    x_names.emplace(type->name, type);
    for (const uint64_t next : {type->element, type->key, type->bucket}) todo.push_back(next);
    for (const auto& field : type->fields) todo.push_back(field.type);
  }
  index();
}

// The words of all structs that may lead on, by place and type.
void TypeBook::index() {
  struct Part {
    uint64_t offset = 0, type = 0;
    int nesting = 0;
  };
  // What is nested can be described in few bytes and be without end: a struct cannot have more
  // parts than words, but for those of no size.
  constexpr uint64_t kLargest = 32768, kMostOfAnArray = 16, kMostParts = kLargest / 8 * 4;
  for (const auto& [name, type] : x_names) {
    if (type->kind != TypeKind::kStruct || !type->pointers || type->size > kLargest) continue;
    std::vector<Part> todo = {{0, type->address, 0}};
    for (uint64_t parts = 0; !todo.empty() && parts < kMostParts; ++parts) {
      const Part part = todo.back();
      todo.pop_back();
      const TypeInfo* inner = at(part.type);
      if (inner == nullptr || part.nesting > kMostNesting || part.offset > type->size ||
          inner->size > type->size - part.offset || x_by_word.size() >= kMostPlaces)
        continue;
      if (inner->kind == TypeKind::kStruct) {
        for (const auto& field : inner->fields)
          todo.push_back({part.offset + field.offset, field.type, part.nesting + 1});
      } else if (inner->kind == TypeKind::kArray) {
        const TypeInfo* element = at(inner->element);
        for (uint64_t i = 0; element != nullptr && i < std::min(inner->length, kMostOfAnArray); ++i)
          todo.push_back({part.offset + i * element->size, inner->element, part.nesting + 1});
      } else if (inner->kind == TypeKind::kPointer) {
        x_by_word.emplace(key_of(part.offset, inner->element), type);
      } else if (inner->kind == TypeKind::kInterface) {
        x_by_word.emplace(key_of(part.offset + 8, inner->address), type);
      }
    }
  }
}

std::vector<const TypeInfo*> TypeBook::named(std::string_view name) {
  find_all();
  std::vector<const TypeInfo*> found;
  const auto [from, to] = x_names.equal_range(name);
  for (auto at = from; at != to && found.size() < kMostNamed; ++at) found.push_back(at->second);
  return found;
}

std::vector<const TypeInfo*> TypeBook::instances(std::string_view name) {
  find_all();
  std::vector<const TypeInfo*> found;
  for (const auto& [known, type] : x_names) {
    const bool same = known.starts_with(name) &&
                      (known.size() == name.size() || known[name.size()] == '[');
    if (same && type->kind == TypeKind::kStruct && found.size() < kMostNamed) found.push_back(type);
  }
  return found;
}

std::vector<const TypeInfo*> TypeBook::holding(uint64_t size, uint64_t header, uint64_t offset,
                                               const TypeInfo& word) {
  find_all();
  std::vector<const TypeInfo*> found;
  const auto [from, to] = x_by_word.equal_range(key_of(offset, word.address));
  size_t tried = 0;
  for (auto at = from; at != to && found.size() < kMostHolding && ++tried < kMostTried; ++at) {
    const TypeInfo* type = at->second;
    const uint64_t taken = type->size + header;
    if (taken <= size && taken >= least_value(size) &&
        std::find(found.begin(), found.end(), type) == found.end())
      found.push_back(type);
  }
  return found;
}

std::optional<TypePlace> TypeBook::place_at(const TypeInfo& type, uint64_t offset) {
  TypePlace place{"", type.address};
  const TypeInfo* now = &type;
  for (int depth = 0; depth < kMostNesting && now != nullptr; ++depth) {
    place.type = now->address;
    if (now->kind == TypeKind::kArray) {
      const TypeInfo* element = at(now->element);
      if (element == nullptr || element->size == 0 || offset >= now->size) return std::nullopt;
      offset %= element->size;
      place.path += "[]";
      now = element;
    } else if (now->kind == TypeKind::kStruct) {
      const TypeInfo::Field* inside = nullptr;
      for (const auto& field : now->fields) {
        const TypeInfo* inner = at(field.type);
        if (inner != nullptr && offset >= field.offset && offset - field.offset < inner->size)
          inside = &field;
      }
      if (inside == nullptr) return std::nullopt;
      if (!place.path.empty()) place.path += '.';
      place.path += inside->name;
      offset -= inside->offset;
      now = at(inside->type);
    } else {
      return offset < now->size ? std::optional(place) : std::nullopt;
    }
  }
  return std::nullopt;
}

}  // namespace unclosed
