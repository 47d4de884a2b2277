#include "symbolize/plain_name.h"

#include <gtest/gtest.h>

namespace unclosed {
namespace {

TEST(PlainName, parameters_templates_and_return_types_are_cut) {
  EXPECT_EQ(plain_demangled("store::Repo::open(int)"), "store::Repo::open");
  EXPECT_EQ(plain_demangled("double store::Repo::convert<double>(double)"), "store::Repo::convert");
  EXPECT_EQ(plain_demangled("std::vector<int, std::allocator<int> >::push_back(int const&)"),
            "std::vector::push_back");
  EXPECT_EQ(plain_demangled("Pool::size() const"), "Pool::size");
  EXPECT_EQ(plain_demangled("f(void (*)(int))"), "f");
}

TEST(PlainName, anonymous_namespaces_and_lambdas_are_kept) {
  EXPECT_EQ(plain_demangled("(anonymous namespace)::f(int)"), "(anonymous namespace)::f");
  EXPECT_EQ(plain_demangled("handle(int)::{lambda(int)#1}::operator()(int) const"),
            "handle::{lambda}");
  EXPECT_EQ(plain_demangled("store::(anonymous namespace)::deep(int) [clone .isra.0]"),
            "store::(anonymous namespace)::deep");
}

TEST(PlainName, operators_are_not_taken_for_brackets) {
  EXPECT_EQ(plain_demangled("A::operator()(int)"), "A::operator()");
  EXPECT_EQ(plain_demangled("A::operator<(A const&) const"), "A::operator<");
  EXPECT_EQ(plain_demangled("std::ostream& operator<< <char>(std::ostream&, char)"), "operator<<");
  EXPECT_EQ(plain_demangled("A::operator->()"), "A::operator->");
  EXPECT_EQ(plain_demangled("A::operator bool() const"), "A::operator bool");
  EXPECT_EQ(without_template("operator<=>"), "operator<=>");
  EXPECT_EQ(without_template("operator()<int>"), "operator()");
  EXPECT_EQ(without_template("vector<int, std::allocator<int> >"), "vector");
}

TEST(PlainName, symbols_are_demangled_without_versions_and_suffixes) {
  EXPECT_EQ(plain_symbol("_ZN5store4Repo4openEi"), "store::Repo::open");
  EXPECT_EQ(plain_symbol("_ZN5store4Repo4openEi.isra.0"), "store::Repo::open");
  EXPECT_EQ(plain_symbol("connect@@GLIBC_2.2.5"), "connect");
  EXPECT_EQ(plain_symbol("main"), "main");
  EXPECT_EQ(plain_symbol("_Znonsense"), "_Znonsense");
}

TEST(PlainName, rust_symbols_lose_their_hash_and_their_escapes) {
  EXPECT_EQ(plain_rust("_ZN6victim4pool4hold17h0123456789abcdefE"), "victim::pool::hold");
  EXPECT_EQ(plain_symbol("_ZN6victim4pool4hold28_$u7b$$u7b$closure$u7d$$u7d$17h0123456789abcdefE"),
            "victim::pool::hold::{{closure}}");
  EXPECT_EQ(plain_rust("_ZN54_$LT$victim..Pool$u20$as$u20$core..ops..drop..Drop$GT$4drop"
                       "17h0123456789abcdefE"),
            "<victim::Pool as core::ops::drop::Drop>::drop");
  EXPECT_EQ(plain_rust("_ZN5store4Repo4openEi"), "") << "C++ is not Rust";
  EXPECT_EQ(plain_rust("_ZN99999999999999999999E"), "") << "a length beyond the end";
}

TEST(PlainName, damaged_names_stay_as_they_are) {
  EXPECT_EQ(plain_demangled("f(((("), "f((((");
  EXPECT_EQ(without_template("a<b<c"), "a<b<c");
  EXPECT_EQ(plain_symbol(""), "");
}

}  // namespace
}  // namespace unclosed
