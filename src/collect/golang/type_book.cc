#include "collect/golang/type_book.h"

#include <algorithm>

namespace unclosed {
namespace {

constexpr uint64_t kMostTypes = 256 << 20;  // bytes
constexpr uint64_t kMostFields = 4096;
constexpr uint64_t kMostKnown = 1 << 20;
constexpr size_t kLongestName = 4096;
constexpr int kMostNesting = 16;
constexpr uint64_t kMostOfAValue = uint64_t{1} << 40;

// Where a type keeps what is read of it, in every release.
constexpr uint64_t kSizeAt = 0, kPointersAt = 8, kHashAt = 16, kFlagsAt = 20, kKindAt = 23,
                   kNameAt = 40, kBase = 48, kStructSize = 80, kFieldSize = 24;
constexpr uint8_t kHasPackage = 1, kExtraStar = 2;

TypeKind kind_of(uint8_t number) {
  switch (number & 31) {
    case 17:
      return TypeKind::kArray;
    case 18:
      return TypeKind::kChannel;
    case 19:
      return TypeKind::kFunction;
    case 20:
      return TypeKind::kInterface;
    case 21:
      return TypeKind::kMap;
    case 22:
      return TypeKind::kPointer;
    case 23:
      return TypeKind::kSlice;
    case 24:
      return TypeKind::kString;
    case 25:
      return TypeKind::kStruct;
    case 26:
      return TypeKind::kUnsafePointer;
    default:
      return TypeKind::kOther;
  }
}

// The least size of a value for which the runtime takes an object of `size` bytes.
uint64_t least_value(uint64_t size) {
  if (size <= 32) return size - 8 + 1;
  if (size <= 256) return size - 16 + 1;
  if (size <= 512) return size - 32 + 1;
  if (size <= 768) return size - 64 + 1;
  return size - size / 4;
}

uint64_t key_of(uint64_t offset, uint64_t type) { return type * 0x9e3779b97f4a7c15ULL + offset; }

}  // namespace

Result<TypeBook> TypeBook::read(GoProcess& process) {
  TypeBook types(process);
  types.x_range = process.types();
  types.x_range.end = std::min(types.x_range.end, types.x_range.start + kMostTypes);
  types.x_bytes.resize(types.x_range.size());
  const auto got = process.memory().read(types.x_range.start, types.x_bytes);
  if (!got) return got.error();
  if (!*got) types.x_bytes.clear();
  return types;
}

std::optional<Bytes> TypeBook::bytes(uint64_t address, uint64_t size) const {
  if (!x_range.holds(address)) return std::nullopt;
  return slice(Bytes(x_bytes), address - x_range.start, size);
}

// A name as the runtime keeps it: a byte of flags, its length, the text.
std::optional<std::string> TypeBook::name_at(uint64_t address) const {
  size_t length = 0;
  uint64_t at = address + 1;
  for (unsigned shift = 0;; shift += 7) {
    const auto byte = bytes(at++, 1);
    if (!byte || shift > 21) return std::nullopt;
    const auto value = std::to_integer<unsigned>((*byte)[0]);
    length |= size_t{value & 0x7f} << shift;
    if ((value & 0x80) == 0) break;
  }
  if (length > kLongestName) return std::nullopt;
  const auto text = bytes(at, length);
  if (!text) return std::nullopt;
  return std::string(reinterpret_cast<const char*>(text->data()), length);
}

bool TypeBook::decode_fields(TypeInfo& type) const {
  const auto header = bytes(type.address + kBase + 8, 16);
  if (!header) return false;
  const uint64_t data = load<uint64_t>(*header, 0).value_or(0);
  const uint64_t count = load<uint64_t>(*header, 8).value_or(0);
  if (count > kMostFields) return false;
  const bool shifted = x_process->version().starts_with("go1.18");
  for (uint64_t i = 0; i < count; ++i) {
    const auto field = bytes(data + i * kFieldSize, kFieldSize);
    if (!field) return false;
    const auto name = name_at(load<uint64_t>(*field, 0).value_or(0));
    const uint64_t offset = load<uint64_t>(*field, 16).value_or(0);
    if (!name) return false;
    type.fields.push_back(
        {*name, load<uint64_t>(*field, 8).value_or(0), shifted ? offset >> 1 : offset});
    if (type.fields.back().offset > type.size) return false;
  }
  return true;
}

// The runtime's own texts name a package by its last part alone.
void TypeBook::qualify(TypeInfo& type, uint8_t flags) const {
  if ((flags & kHasPackage) == 0 || type.kind != TypeKind::kStruct) return;
  const auto offset = bytes(type.address + kStructSize, 4);
  if (!offset) return;
  const auto path = name_at(x_range.start + load<uint32_t>(*offset, 0).value_or(0));
  const size_t dot = type.name.find('.');
  if (!path || dot == std::string::npos || path->find('/') == std::string::npos) return;
  if (path->ends_with("/" + type.name.substr(0, dot))) type.name = *path + type.name.substr(dot);
}

std::optional<TypeInfo> TypeBook::decode(uint64_t address) const {
  const auto base = address % 8 == 0 ? bytes(address, kBase) : std::nullopt;
  if (!base) return std::nullopt;
  TypeInfo type;
  type.address = address;
  type.size = load<uint64_t>(*base, kSizeAt).value_or(0);
  const uint64_t pointers = load<uint64_t>(*base, kPointersAt).value_or(0);
  const uint8_t flags = load<uint8_t>(*base, kFlagsAt).value_or(0);
  const uint8_t number = load<uint8_t>(*base, kKindAt).value_or(0) & 31;
  if (number == 0 || number > 26 || type.size > kMostOfAValue || pointers > type.size)
    return std::nullopt;
  type.pointers = pointers != 0;
  type.kind = kind_of(number);
  auto name = name_at(x_range.start + load<uint32_t>(*base, kNameAt).value_or(0));
  if (!name || name->empty()) return std::nullopt;
  if ((flags & kExtraStar) != 0 && name->front() == '*') name->erase(0, 1);
  type.name = std::move(*name);
  const auto word = [&](uint64_t offset) {
    const auto at = bytes(address + offset, 8);
    return at ? load<uint64_t>(*at, 0).value_or(0) : 0;
  };
  if (type.kind == TypeKind::kMap) {
    type.key = word(kBase);
    type.element = word(kBase + 8);
    type.bucket = word(kBase + 16);
  } else if (type.kind == TypeKind::kStruct) {
    if (!decode_fields(type)) return std::nullopt;
    qualify(type, flags);
  } else {
    type.element = word(kBase);
    if (type.kind == TypeKind::kArray) type.length = word(kBase + 16);
  }
  return type;
}

const TypeInfo* TypeBook::at(uint64_t address) {
  if (!x_range.holds(address)) return nullptr;
  auto known = x_types.find(address);
  if (known == x_types.end()) {
    if (x_types.size() >= kMostKnown) return nullptr;
    known = x_types.emplace(address, decode(address)).first;
  }
  return known->second ? &*known->second : nullptr;
}

std::optional<TypeBook::Itab> TypeBook::itab(uint64_t address) {
  if (address == 0 || address % 8 != 0) return std::nullopt;
  const auto known = x_itabs.find(address);
  if (known != x_itabs.end()) return known->second;
  struct Words {
    uint64_t interface = 0, type = 0;
    uint32_t hash = 0, padding = 0;
  };
  std::optional<Itab> found;
  const auto words = x_process->memory().load<Words>(address);
  if (words && *words) {
    const TypeInfo* inter = at((*words)->interface);
    const auto hash = bytes((*words)->type + kHashAt, 4);
    if (inter != nullptr && inter->kind == TypeKind::kInterface && hash &&
        load<uint32_t>(*hash, 0) == (*words)->hash && at((*words)->type) != nullptr)
      found = Itab{(*words)->interface, (*words)->type};
  }
  if (x_itabs.size() < kMostKnown) x_itabs.emplace(address, found);
  return found;
}

const TypeInfo* TypeBook::of_interface(uint64_t word) {
  if (const TypeInfo* type = at(word)) return type;
  const auto found = itab(word);
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
  const auto found = itab(word);
  return found ? at(found->interface) : nullptr;
}

// Everything that the linker's list of types leads to.
void TypeBook::find_all() {
  if (x_all) return;
  x_all = true;
  std::vector<uint64_t> todo;
  const auto links = x_process->type_links();
  for (const int32_t offset : links) todo.push_back(x_range.start + static_cast<uint32_t>(offset));
  for (const uint64_t one : x_process->method_tables())
    if (const auto found = itab(one)) todo.push_back(found->type);
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
  constexpr uint64_t kLargest = 32768, kMostOfAnArray = 16;
  for (const auto& [name, type] : x_names) {
    if (type->kind != TypeKind::kStruct || !type->pointers || type->size > kLargest) continue;
    std::vector<Part> todo = {{0, type->address, 0}};
    while (!todo.empty()) {
      const Part part = todo.back();
      todo.pop_back();
      const TypeInfo* inner = at(part.type);
      if (inner == nullptr || part.nesting > kMostNesting) continue;
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
  const auto [from, to] = x_names.equal_range(std::string(name));
  for (auto at = from; at != to; ++at) found.push_back(at->second);
  return found;
}

std::vector<const TypeInfo*> TypeBook::holding(uint64_t size, uint64_t header, uint64_t offset,
                                               const TypeInfo& word) {
  find_all();
  std::vector<const TypeInfo*> found;
  const auto [from, to] = x_by_word.equal_range(key_of(offset, word.address));
  for (auto at = from; at != to; ++at) {
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
