#include "collect/golang/type_reader.h"

#include <algorithm>

namespace unclosed {
namespace {

constexpr uint64_t kMostTypes = 256 << 20;  // bytes
constexpr uint64_t kPart = 64 << 10;        // bytes that are read together
constexpr uint64_t kMostFields = 4096;
constexpr uint64_t kMostKnown = 1 << 20;
constexpr uint64_t kMostKept = 256 << 20;  // bytes of names and fields
constexpr size_t kLongestName = 4096;
constexpr uint64_t kMostOfAValue = uint64_t{1} << 40;

// Where a type keeps what is read of it, in every release (internal/abi.Type, before Go 1.21
// runtime._type).
constexpr uint64_t kSizeAt = 0, kPointersAt = 8, kHashAt = 16, kFlagsAt = 20, kKindAt = 23,
                   kNameAt = 40, kBase = 48, kStructSize = 80, kFieldSize = 24;
constexpr uint8_t kHasPackage = 1, kExtraStar = 2, kNamed = 4;

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

}  // namespace

TypeReader::TypeReader(GoProcess& process) : x_process(&process), x_range(process.types()) {
  x_range.end = std::min(x_range.end, x_range.start + kMostTypes);
  // Not set to zero: most of it is never read.
  x_bytes = std::make_unique_for_overwrite<std::byte[]>(x_range.size());
  x_parts.resize((x_range.size() + kPart - 1) / kPart, Part::kUnread);
}

bool TypeReader::load_part(uint64_t part) {
  Part& state = x_parts[part];
  if (state == Part::kUnread) {
    const uint64_t from = part * kPart;
    const auto into = std::span(x_bytes.get(), x_range.size())
                          .subspan(from, std::min(kPart, x_range.size() - from));
    const auto got = x_process->memory().read(x_range.start + from, into);
    state = got && *got ? Part::kRead : Part::kUnreadable;
  }
  return state == Part::kRead;
}

std::optional<Bytes> TypeReader::bytes(uint64_t address, uint64_t size) {
  if (!x_range.holds(address) || size > x_range.end - address) return std::nullopt;
  const uint64_t from = address - x_range.start;
  for (uint64_t part = from / kPart; part * kPart < from + size; ++part)
    if (!load_part(part)) return std::nullopt;
  return Bytes(x_bytes.get() + from, size);
}

// A name as the runtime keeps it: a byte of flags, its length, the text.
std::optional<std::string> TypeReader::name_at(uint64_t address) {
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

bool TypeReader::decode_fields(TypeInfo& type) {
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

// The runtime's own texts name a package by its own name alone, which need not be the last part of
// its path: that of a later major version ends with /v2.
void TypeReader::qualify(TypeInfo& type, uint8_t flags) {
  if ((flags & kHasPackage) == 0 || (flags & kNamed) == 0 || type.kind != TypeKind::kStruct) return;
  const auto offset = bytes(type.address + kStructSize, 4);
  if (!offset) return;
  const auto path = name_at(x_range.start + load<uint32_t>(*offset, 0).value_or(0));
  const size_t dot = type.name.find('.');
  if (path && dot != std::string::npos && path->find('/') != std::string::npos)
    type.name = *path + type.name.substr(dot);
}

std::optional<TypeInfo> TypeReader::decode(uint64_t address) {
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
  } else if (type.kind == TypeKind::kInterface) {
    type.methods = word(kBase + 16) != 0;
  } else {
    type.element = word(kBase);
    if (type.kind == TypeKind::kArray) type.length = word(kBase + 16);
  }
  return type;
}

const TypeInfo* TypeReader::at(uint64_t address) {
  if (!x_range.holds(address)) return nullptr;
  auto known = x_types.find(address);
  if (known == x_types.end()) {
    if (x_types.size() >= kMostKnown || x_kept >= kMostKept) return nullptr;
    known = x_types.emplace(address, decode(address)).first;
    if (const auto& type = known->second) {
      x_kept += type->name.size() + type->fields.size() * sizeof(TypeInfo::Field);
      for (const auto& field : type->fields) x_kept += field.name.size();
    }
  }
  return known->second ? &*known->second : nullptr;
}

std::optional<TypeReader::Itab> TypeReader::itab(uint64_t address) {
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

}  // namespace unclosed
