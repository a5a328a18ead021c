#include "base/json.h"

#include <gtest/gtest.h>

namespace corral {
namespace {

using namespace std::string_literals;

std::string json_of(std::string_view text) {
  std::string out;
  append_json_quoted(out, text);
  return out;
}

TEST(Json, TakesAnObjectApart) {
  const auto json = Json::parse(R"( {"a": -12, "b" : [1, "x,]", {"c": null}] ,"d\n":true} )");
  ASSERT_TRUE(json);
  const auto members = json->members();
  ASSERT_TRUE(members);
  ASSERT_EQ(members->size(), 3u);
  EXPECT_EQ(members->at(0).first, "a");
  EXPECT_EQ(members->at(0).second.integer(), -12);
  const auto items = members->at(1).second.items();
  ASSERT_TRUE(items);
  ASSERT_EQ(items->size(), 3u);
  EXPECT_EQ(items->at(1).string(), "x,]");
  EXPECT_EQ(items->at(2).text(), R"({"c": null})");
  EXPECT_EQ(members->at(2).first, "d\n");
  EXPECT_EQ(members->at(2).second.boolean(), true);
  EXPECT_TRUE(Json::parse("{}")->members()->empty());
  EXPECT_TRUE(Json::parse("[ ]")->items()->empty());
}

TEST(Json, ReadsStringsWithEscapes) {
  EXPECT_EQ(Json::parse(R"("a\"\\\/\b\f\n\r\t")")->string(), "a\"\\/\b\f\n\r\t");
  EXPECT_EQ(Json::parse(R"("\u00e9\u20ac\ud83d\ude00")")->string(), "é€😀");
  EXPECT_EQ(Json::parse(R"("\u0000")")->string(), "\0"s);
  EXPECT_EQ(Json::parse(R"("\udc80x")")->string(), "\xED\xB2\x80x");
  EXPECT_EQ(Json::parse(R"("\ud83dx")")->string(), "\xED\xA0\xBDx");
  EXPECT_EQ(Json::parse(R"("\ud83d\u0041")")->string(),
            "\xED\xA0\xBD"
            "A");
}

TEST(Json, RefusesWhatIsNotJson) {
  for (const char* text :
       {"",      " ",   "{",       "[1,]",        "{\"a\":}", "{\"a\" 1}",  "{a:1}",
        "[1 2]", "\"a", "\"\\x\"", "\"\\u12g4\"", "\"\n\"",   "01",         "1.",
        "-",     "1e",  "nul",     "truex",       "1 1",      "{\"a\":1,}", "NaN"}) {
    EXPECT_FALSE(Json::parse(text)) << text;
  }
  EXPECT_FALSE(Json::parse(std::string(100'000, '['))) << "nesting is bounded";
}

TEST(Json, AValueIsNothingElse) {
  EXPECT_FALSE(Json::parse("1.5")->integer());
  EXPECT_FALSE(Json::parse("1e3")->integer());
  EXPECT_FALSE(Json::parse("9223372036854775808")->integer());
  EXPECT_EQ(Json::parse("-9223372036854775808")->integer(), INT64_MIN);
  EXPECT_FALSE(Json::parse("\"1\"")->integer());
  EXPECT_EQ(Json::parse("-1.5e2")->number(), -150.0);
  EXPECT_FALSE(Json::parse("1e999")->number());
  EXPECT_FALSE(Json::parse("null")->number());
  EXPECT_FALSE(Json::parse("1")->string());
  EXPECT_FALSE(Json::parse("[]")->members());
  EXPECT_FALSE(Json::parse("{}")->items());
  EXPECT_FALSE(Json::parse("1")->boolean());
  EXPECT_TRUE(Json::parse("null")->is_null());
}

TEST(Json, QuotesAsPythonDoes) {
  EXPECT_EQ(json_of("plain"), R"("plain")");
  EXPECT_EQ(json_of("\"\\\b\f\n\r\t\x01\x7F"), "\"\\\"\\\\\\b\\f\\n\\r\\t\\u0001\x7F\"");
  EXPECT_EQ(json_of("\0"s), R"("\u0000")");
  EXPECT_EQ(json_of("é€😀"), R"("\u00e9\u20ac\ud83d\ude00")");
  EXPECT_EQ(json_of("\xFF\xE2\x82x\xC0\x80\xED\xB2\x80"),
            R"("\ufffd\ufffd\ufffdx\ufffd\ufffd\ufffd\ufffd\ufffd")");
}

}  // namespace
}  // namespace corral
