window.YTD.like.part0 = [
  { "like" : { "tweetId" : "1050118621198921728", "fullText" : "The heron is back at the mill pond", "expandedUrl" : "https://x.example/i/web/status/1050118621198921728" } }
]
