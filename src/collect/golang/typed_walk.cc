#include "collect/golang/typed_walk.h"

#include <algorithm>
#include <array>

#include "collect/golang/go_map.h"

namespace unclosed {
namespace {

constexpr int kMostFollowed = 8;            // pointers and interfaces, one behind the other
constexpr uint64_t kMostElements = 100'000;  // of a list

// Cuts the first step off a path.
std::string_view next_step(std::string_view& path) {
  const size_t dot = path.find('.');
  const std::string_view step = path.substr(0, dot);
  path = dot == std::string_view::npos ? std::string_view() : path.substr(dot + 1);
  return step;
}

const TypeInfo::Field* field_named(const TypeInfo& type, std::string_view name) {
  const auto at = std::find_if(type.fields.begin(), type.fields.end(),
                               [&](const auto& field) { return field.name == name; });
  return type.kind == TypeKind::kStruct && at != type.fields.end() ? &*at : nullptr;
}

// A value of one pointer stands in an interface itself.
bool is_one_pointer(const TypeInfo& type) {
  return type.kind == TypeKind::kMap || type.kind == TypeKind::kChannel ||
         type.kind == TypeKind::kFunction || type.kind == TypeKind::kUnsafePointer ||
         (type.kind == TypeKind::kStruct && type.size == 8 && type.fields.size() == 1);
}

}  // namespace

std::optional<uint64_t> TypedWalk::word(uint64_t address) {
  if (x_left == 0) return std::nullopt;
  --x_left;
  const auto read = x_process.memory().load<uint64_t>(address);
  return read ? *read : std::nullopt;
}

std::optional<TypedPlace> TypedWalk::behind(TypedPlace place) {
  for (int i = 0; i < kMostFollowed; ++i) {
    if (place.type == nullptr || place.address == 0) return std::nullopt;
    if (place.type->kind == TypeKind::kPointer) {
      const auto target = word(place.address);
      if (!target) return std::nullopt;
      place = {x_book.at(place.type->element), *target};
    } else if (place.type->kind == TypeKind::kInterface) {
      const auto words = x_process.memory().load<std::array<uint64_t, 2>>(place.address);
      if (!words || !*words || (**words)[0] == 0) return std::nullopt;
      // A table of methods is of the very interface that the value is declared with.
      if (place.type->methods && x_book.interface_of((**words)[0]) != place.type)
        return std::nullopt;
      const TypeInfo* held = place.type->methods ? x_book.of_interface((**words)[0])
                                                 : x_book.at((**words)[0]);
      if (held == nullptr) return std::nullopt;
      if (held->kind == TypeKind::kPointer)
        place = {x_book.at(held->element), (**words)[1]};
      else
        place = {held, is_one_pointer(*held) ? place.address + 8 : (**words)[1]};
    } else {
      return place;
    }
  }
  return std::nullopt;
}

std::optional<TypedPlace> TypedWalk::field(const TypedPlace& place, std::string_view name) {
  const auto* const field = place.type == nullptr ? nullptr : field_named(*place.type, name);
  const TypeInfo* type = field == nullptr ? nullptr : x_book.at(field->type);
  if (type == nullptr) return std::nullopt;
  return TypedPlace{type, place.address + field->offset};
}

bool TypedWalk::elements(const TypedPlace& from, std::vector<TypedPlace>& found) {
  auto list = from;
  if (list.type->kind == TypeKind::kPointer) {
    const auto target = behind(list);
    if (!target) return word(list.address) == uint64_t{0};
    list = *target;
  }
  const TypeInfo* element = x_book.at(list.type->element);
  if (element == nullptr || element->size == 0) return false;
  if (list.type->kind == TypeKind::kMap) {
    const auto map = word(list.address);
    const auto values = map ? go_map_values(x_process, x_book, *list.type, *map, x_left)
                             : std::nullopt;
    if (!values || values->size() > kMostElements) return false;
    for (const uint64_t value : *values) found.push_back({element, value});
    return true;
  }
  if (list.type->kind != TypeKind::kSlice) return false;
  const auto slice = x_process.memory().load<GoSlice>(list.address);
  if (!slice || !*slice || (*slice)->length > (*slice)->capacity ||
      (*slice)->length > std::min(kMostElements, x_left))
    return false;
  x_left -= (*slice)->length;
  for (uint64_t i = 0; i < (*slice)->length; ++i)
    found.push_back({element, (*slice)->data + i * element->size});
  return true;
}

bool TypedWalk::chain(TypedPlace place, std::string_view next, std::vector<TypedPlace>& found) {
  for (uint64_t i = 0; i < kMostElements; ++i) {
    const auto target = word(place.address);
    if (!target || place.type->kind != TypeKind::kPointer) return false;
    if (*target == 0) return true;
    found.push_back(place);
    const auto following = field({x_book.at(place.type->element), *target}, next);
    if (!following) return false;
    place = *following;
  }
  return false;
}

bool TypedWalk::step(const TypedPlace& from, std::string_view step,
                     std::vector<TypedPlace>& found) {
  size_t lists = 0;
  for (; step.ends_with("[]"); ++lists) step.remove_suffix(2);
  const size_t along = step.find('~');
  const auto place = behind(from);
  if (!place) {
    // Behind nil is nothing, which is no failure.
    const bool refers =
        from.type->kind == TypeKind::kPointer || from.type->kind == TypeKind::kInterface;
    return refers && word(from.address) == uint64_t{0};
  }
  const auto begin = field(*place, step.substr(0, along));
  if (!begin) return false;
  if (along != std::string_view::npos) return chain(*begin, step.substr(along + 1), found);
  std::vector<TypedPlace> now = {*begin};
  for (; lists > 0; --lists) {
    std::vector<TypedPlace> inner;
    for (const TypedPlace& one : now) {
      if (!elements(one, inner) || inner.size() > kMostElements) return false;
    }
    now = std::move(inner);
  }
  found.insert(found.end(), now.begin(), now.end());
  return true;
}

std::optional<std::vector<TypedPlace>> TypedWalk::all(const TypedPlace& from,
                                                      std::string_view path) {
  std::vector<TypedPlace> now = {from};
  while (!path.empty()) {
    const std::string_view text = next_step(path);
    std::vector<TypedPlace> inner;
    for (const TypedPlace& one : now) {
      if (!step(one, text, inner) || inner.size() > kMostElements) return std::nullopt;
    }
    now = std::move(inner);
  }
  return now;
}

std::optional<TypedPlace> TypedWalk::one(const TypedPlace& from, std::string_view path) {
  const auto found = all(from, path);
  return found && found->size() == 1 ? std::optional(found->front()) : std::nullopt;
}

// Of a struct the field that is as large as the whole.
std::optional<TypedPlace> TypedWalk::only_part(const TypedPlace& place) {
  for (const auto& field : place.type->fields) {
    const TypeInfo* inner = x_book.at(field.type);
    if (inner != nullptr && inner->size == place.type->size)
      return TypedPlace{inner, place.address + field.offset};
  }
  return std::nullopt;
}

std::optional<uint64_t> TypedWalk::number(TypedPlace place) {
  constexpr int kDeepest = 8;
  // Those of sync/atomic hold one number, behind fields without a size.
  for (int depth = 0; place.type->kind == TypeKind::kStruct; ++depth) {
    const auto inner = only_part(place);
    if (!inner || depth == kDeepest) return std::nullopt;
    place = *inner;
  }
  const auto& type = *place.type;
  if (type.kind == TypeKind::kSlice) return word(place.address + 8);
  if (type.kind == TypeKind::kMap) {
    const auto map = word(place.address);
    return !map || *map == 0 ? map : word(*map);  // its count comes first, in every release
  }
  if (type.kind == TypeKind::kInterface || type.size == 8) return word(place.address);
  if (type.size == 4) {
    const auto read = x_process.memory().load<uint32_t>(place.address);
    return read && *read ? std::optional<uint64_t>(**read) : std::nullopt;
  }
  const auto read = x_process.memory().load<uint8_t>(place.address);
  return type.size == 1 && read && *read ? std::optional<uint64_t>(**read) : std::nullopt;
}

std::optional<uint64_t> TypedWalk::first_word(const TypeInfo& type, std::string_view path) {
  const TypeInfo* now = &type;
  uint64_t offset = 0;
  while (!path.empty()) {
    const std::string_view text = next_step(path);
    const auto* const field = field_named(*now, text.substr(0, text.find_first_of("[~")));
    now = field == nullptr ? nullptr : x_book.at(field->type);
    if (now == nullptr) return std::nullopt;
    offset += field->offset;
    if (now->kind == TypeKind::kInterface) return offset + 8;
    if (now->kind != TypeKind::kStruct) return offset;
  }
  return std::nullopt;
}

const TypeInfo* TypedWalk::type_behind(const TypeInfo& type, std::string_view path) {
  const TypeInfo* now = &type;
  while (!path.empty() && now != nullptr) {
    std::string_view text = next_step(path);
    size_t lists = 0;
    for (; text.ends_with("[]"); ++lists) text.remove_suffix(2);
    if (now->kind == TypeKind::kPointer) now = x_book.at(now->element);
    const auto* const field =
        now == nullptr ? nullptr : field_named(*now, text.substr(0, text.find('~')));
    now = field == nullptr ? nullptr : x_book.at(field->type);
    for (; lists > 0 && now != nullptr; --lists) {
      if (now->kind == TypeKind::kPointer) now = x_book.at(now->element);
      now = now == nullptr || (now->kind != TypeKind::kSlice && now->kind != TypeKind::kMap)
                ? nullptr
                : x_book.at(now->element);
    }
  }
  if (now != nullptr && now->kind == TypeKind::kPointer) now = x_book.at(now->element);
  return now;
}

}  // namespace unclosed
