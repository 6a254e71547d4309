window.YTD.tweets.part0 = [
  {
    "tweet" : {
      "edit_info" : { "initial" : { "editTweetIds" : [ "1400000000000000001" ] } },
      "id_str" : "1400000000000000001",
      "id" : "1400000000000000001",
      "created_at" : "Wed Jun 02 08:00:00 +0000 2021",
      "full_text" : "Found my old field notes #birds",
      "favorite_count" : "3",
      "retweet_count" : "1",
      "lang" : "en",
      "entities" : { "hashtags" : [ { "text" : "birds", "indices" : [ "25", "31" ] } ], "user_mentions" : [ ], "urls" : [ ], "symbols" : [ ] }
    }
  },
  {
    "tweet" : {
      "id_str" : "1400000000000000002",
      "created_at" : "Wed Jun 02 08:05:00 +0000 2021",
      "full_text" : "RT @ann: The heron is back",
      "entities" : { "user_mentions" : [ { "name" : "Ann Example", "screen_name" : "ann", "indices" : [ "3", "7" ] } ] }
    }
  }
]
