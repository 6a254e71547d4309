window.YTD.account.part0 = [
  {
    "account" : {
      "email" : "dora@mail.example",
      "username" : "dora",
      "accountId" : "11",
      "createdAt" : "2012-02-03T04:05:06.000Z",
      "accountDisplayName" : "Dora Example"
    }
  }
]
