// Heads as clients send them, for benchmarks and tests.
#pragma once

#include <string_view>

namespace corral::http {

// What a browser sends with a navigation: 11 fields.
inline constexpr std::string_view kBrowserHead =
    "GET /shop/items?page=2&sort=price HTTP/1.1\r\n"
    "Host: www.example.com\r\n"
    "Connection: keep-alive\r\n"
    "Cache-Control: max-age=0\r\n"
    "DNT: 1\r\n"
    "Upgrade-Insecure-Requests: 1\r\n"
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/130.0.0.0 Safari/537.36\r\n"
    "Accept: "
    "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8\r\n"
    "Referer: https://www.example.com/shop/\r\n"
    "Accept-Encoding: gzip, deflate, br, zstd\r\n"
    "Accept-Language: en-GB,en;q=0.9,de;q=0.8\r\n"
    "Cookie: csrftoken=Zk3vJ8cQ2mXw9LrT5bYh7nPd4sGf1aEu; "
    "sessionid=q8w7e6r5t4y3u2i1o0p9a8s7d6f5g4h3\r\n"
    "\r\n";

// What load generators send.
inline constexpr std::string_view kLeastHead = "GET / HTTP/1.1\r\nHost: localhost:8000\r\n\r\n";

// What command line clients send.
inline constexpr std::string_view kCurlHead =
    "GET /health HTTP/1.1\r\n"
    "Host: localhost:8000\r\n"
    "User-Agent: curl/8.5.0\r\n"
    "Accept: */*\r\n"
    "\r\n";

}  // namespace corral::http
