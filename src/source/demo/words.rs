//! Word lists of the demo: topics, sentences, names and cities.
//!
//! In a sentence `{city}` stands for a city, `{n}` for a small number and `{name}` for a first
//! name. No sentence is Japanese, so that a search for Japanese finds a user's own tweets only.

/// A topic.
pub(super) struct Topic {
    /// Hashtags without their sign, the first one in every language.
    pub(super) tags: &'static [&'static str],
    /// Cashtags without their sign.
    pub(super) cashtags: &'static [&'static str],
    /// The host of its links.
    pub(super) host: &'static str,
    /// Language code and sentence.
    pub(super) sentences: &'static [(&'static str, &'static str)],
}

/// Languages and their weights. A topic may lack sentences in some of them.
pub(super) const LANGUAGES: &[(&str, f64)] = &[
    ("en", 10.0),
    ("es", 4.0),
    ("pt", 3.0),
    ("de", 2.0),
    ("fr", 2.0),
    ("ko", 2.0),
    ("zh", 1.5),
    ("it", 1.0),
    ("tr", 1.0),
];

/// Cities with longitude and latitude.
pub(super) const CITIES: &[(&str, f64, f64)] = &[
    ("Berlin", 13.405, 52.52),
    ("London", -0.1276, 51.5072),
    ("Paris", 2.3522, 48.8566),
    ("Madrid", -3.7038, 40.4168),
    ("Lisboa", -9.1393, 38.7223),
    ("São Paulo", -46.6333, -23.5505),
    ("Seoul", 126.978, 37.5665),
    ("Taipei", 121.5654, 25.033),
    ("New York", -74.006, 40.7128),
    ("San Francisco", -122.4194, 37.7749),
    ("Mexico City", -99.1332, 19.4326),
    ("Lagos", 3.3792, 6.5244),
    ("Nairobi", 36.8219, -1.2921),
    ("Roma", 12.4964, 41.9028),
    ("İstanbul", 28.9784, 41.0082),
    ("Hamburg", 9.9937, 53.5511),
    ("Toronto", -79.3832, 43.6532),
    ("Sydney", 151.2093, -33.8688),
];

/// First names.
pub(super) const NAMES: &[&str] = &[
    "Ann", "Ben", "Clara", "David", "Emma", "Felix", "Greta", "Hugo", "Ines", "João", "Klara", "Lucía", "Mateo", "Noa",
    "Olga", "Pablo", "Rosa", "Sofía", "Theo", "Uma", "Viktor", "Wanda", "Yusuf", "Zoë", "민준", "서연", "지우", "伟",
    "芳", "Chidi", "Amara", "Elif", "Luca", "Giulia", "René", "Chloé",
];

/// Family names.
pub(super) const FAMILIES: &[&str] = &[
    "Abebe", "Brown", "Costa", "Díaz", "Eriksen", "Fischer", "García", "Haas", "Ito-Bell", "Jansen", "Kim", "Lefèvre",
    "Müller", "Novak", "Okafor", "Petrov", "Quinn", "Rossi", "Silva", "Tanner", "Ulrich", "Vega", "Wang", "Yılmaz",
    "Zhang",
];

/// What comes before a sentence, sometimes.
pub(super) const OPENERS: &[(&str, &str)] = &[
    ("en", "Honestly:"),
    ("en", "Breaking:"),
    ("en", "Unpopular opinion:"),
    ("en", "Good morning!"),
    ("es", "Atención:"),
    ("es", "La verdad,"),
    ("pt", "Bom dia!"),
    ("pt", "Gente,"),
    ("de", "Mal ehrlich:"),
    ("de", "Eilmeldung:"),
    ("fr", "Franchement,"),
    ("fr", "Bonjour !"),
    ("ko", "솔직히,"),
    ("zh", "说真的，"),
    ("it", "Buongiorno!"),
    ("tr", "Günaydın!"),
];

/// What comes at the end, sometimes.
pub(super) const CLOSERS: &[&str] =
    &["😂", "🔥", "❤️", "🎉", "🤔", "👏👏", "😭", "🙌", "✨", "👀", "☕", "🚀", "lol", "!!!", "🥳", "💪🏽", "🇪🇺", "👩‍💻"];

/// All topics.
pub(super) const TOPICS: &[Topic] = &[
    Topic {
        tags: &["football", "matchday", "UCL"],
        cashtags: &[],
        host: "sport.example.com",
        sentences: &[
            ("en", "What a goal in minute {n}{n}, the whole of {city} is awake now"),
            ("en", "The referee saw it on video and still gave no penalty"),
            ("en", "{n} nil and we are going home happy from the match"),
            ("es", "¡Qué golazo! {n} a cero y todavía queda media hora"),
            ("es", "El árbitro no vio el penalti, increíble partido en {city}"),
            ("pt", "Que golaço! O jogo em {city} está só começando"),
            ("pt", "Empate no último minuto, não acredito"),
            ("de", "Was für ein Tor! {city} feiert die ganze Nacht"),
            ("fr", "Quel but magnifique, {n} à zéro à la mi-temps"),
            ("ko", "오늘 축구 경기 정말 대단했다, 후반에만 {n}골"),
            ("zh", "今晚的足球比赛太精彩了，最后一分钟进球"),
            ("it", "Che partita! Gol al novantesimo a {city}"),
            ("tr", "Muhteşem bir gol, maç şimdi başladı"),
        ],
    },
    Topic {
        tags: &["coffee", "espresso"],
        cashtags: &["SBUX"],
        host: "cafe.example.org",
        sentences: &[
            ("en", "Coffee number {n} today and it is not even noon"),
            ("en", "Found the best flat white in {city}, tell nobody"),
            ("en", "My coffee machine broke, please send help"),
            ("es", "Necesito otro café antes de la reunión"),
            ("pt", "Um café e um pastel de nata, a vida é boa em {city}"),
            ("de", "Der dritte Kaffee und immer noch müde"),
            ("fr", "Un café crème en terrasse à {city}, le bonheur"),
            ("ko", "커피 {n}잔째, 오늘도 잠은 다 잤다"),
            ("zh", "早上第一杯咖啡，终于醒了"),
            ("it", "Senza caffè non si lavora"),
            ("tr", "Bir kahve daha, sonra işe döneceğim"),
        ],
    },
    Topic {
        tags: &["rust", "rustlang", "programming"],
        cashtags: &[],
        host: "blog.example.dev",
        sentences: &[
            ("en", "Rewrote our log parser in Rust: {n} times faster and half the memory"),
            ("en", "The borrow checker was right again, it found a race I did not see"),
            ("en", "Three hours of debugging, one missing await"),
            ("en", "Shipped a tiny search engine in {n}00 lines of Rust"),
            ("es", "Hoy aprendí a usar lifetimes en Rust y sigo vivo"),
            ("pt", "Compilou de primeira! Rust está ficando fácil"),
            ("de", "Der Compiler meckert, aber er hat recht: Rust im Betrieb ist ruhig"),
            ("fr", "Trois heures pour trouver un bug, une ligne pour le corriger"),
            ("ko", "러스트 컴파일러랑 싸우다가 오늘도 졌다"),
            ("zh", "用 Rust 重写之后内存少了一半"),
        ],
    },
    Topic {
        tags: &["jobs", "hiring"],
        cashtags: &[],
        host: "jobs.example.com",
        sentences: &[
            ("en", "We are hiring: Java developer in {city}, remote is fine"),
            ("en", "Looking for a job in data engineering around {city}, any leads?"),
            ("en", "Our team has {n} open jobs for backend developers"),
            ("en", "Another unpaid internship that asks for five years of Java, no thanks"),
            ("es", "Buscamos programadora Java en {city}, contrato fijo"),
            ("pt", "Vaga aberta para desenvolvedor em {city}"),
            ("de", "Wir suchen Verstärkung in {city}: Entwicklung mit Java und Rust"),
            ("fr", "Nous recrutons une développeuse à {city}, télétravail possible"),
            ("zh", "公司在招聘后端工程师，地点{city}"),
        ],
    },
    Topic {
        tags: &["weather", "storm"],
        cashtags: &[],
        host: "weather.example.net",
        sentences: &[
            ("en", "The sky over {city} just turned green, is that normal?"),
            ("en", "Storm warning for {city} until midnight, stay inside"),
            ("en", "Sunshine at last after {n} days of rain"),
            ("es", "Llueve a cántaros en {city}, cuidado con el coche"),
            ("pt", "Calor de rachar em {city} hoje"),
            ("de", "Schon wieder Regen in {city}, seit {n} Tagen"),
            ("fr", "Il neige sur {city} et tout est calme"),
            ("ko", "{city}에 비가 엄청 온다, 우산 꼭 챙기세요"),
            ("zh", "台风要来了，{city}的朋友注意安全"),
            ("it", "Temporale su {city}, che spettacolo"),
            ("tr", "{city} bugün çok sıcak"),
        ],
    },
    Topic {
        tags: &["music", "nowplaying", "livemusic"],
        cashtags: &["SPOT"],
        host: "music.example.com",
        sentences: &[
            ("en", "That encore in {city} gave me goosebumps"),
            ("en", "This album has been on repeat for {n} days"),
            ("en", "Tickets for the tour sold out in {n} minutes"),
            ("es", "El concierto de anoche en {city} fue inolvidable"),
            ("pt", "Esse disco não sai da minha cabeça"),
            ("de", "Das Konzert in {city} war laut und wunderbar"),
            ("fr", "Ce morceau tourne en boucle depuis ce matin"),
            ("ko", "새 앨범 전곡 다 좋다, 무한 반복 중"),
            ("ko", "콘서트 티켓팅 성공했다 드디어"),
            ("zh", "演唱会的票{n}分钟就卖完了"),
            ("tr", "Bu şarkıyı günde {n} kez dinliyorum"),
        ],
    },
    Topic {
        tags: &["election", "vote", "politics"],
        cashtags: &[],
        host: "news.example.org",
        sentences: &[
            ("en", "First results are in and {city} is too close to call"),
            ("en", "Queued for {n} hours to vote, worth it"),
            ("en", "The debate tonight had more shouting than answers"),
            ("es", "Largas colas para votar en {city}"),
            ("pt", "Debate acalorado hoje, poucas respostas"),
            ("de", "Die Wahlbeteiligung in {city} ist so hoch wie lange nicht"),
            ("fr", "Le second tour sera serré à {city}"),
            ("ko", "투표하고 왔습니다, 여러분도 꼭 하세요"),
            ("it", "Seggi aperti a {city} fino alle ventitré"),
        ],
    },
    Topic {
        tags: &["space", "astronomy", "launch"],
        cashtags: &[],
        host: "space.example.org",
        sentences: &[
            ("en", "Liftoff! The rocket is {n} minutes into its flight"),
            ("en", "Saw the space station cross the sky over {city} tonight"),
            ("en", "New image from the telescope: a galaxy older than our sun"),
            ("es", "La luna sobre {city} está enorme esta noche"),
            ("pt", "Foguete lançado com sucesso, que momento"),
            ("de", "Start verschoben, neuer Versuch in {n} Tagen"),
            ("fr", "La fusée a décollé, quelle émotion"),
            ("ko", "로켓 발사 성공! 눈물 난다"),
            ("zh", "火箭发射成功，太激动了"),
        ],
    },
    Topic {
        tags: &["cats", "caturday"],
        cashtags: &[],
        host: "cats.example.net",
        sentences: &[
            ("en", "My cat sat on the keyboard and sent {n} mails"),
            ("en", "{name} the cat has discovered the top of the fridge"),
            ("en", "Adopted a kitten in {city} today, she is perfect"),
            ("es", "Mi gata duerme {n} horas y se queja"),
            ("pt", "O gato derrubou o vaso de novo"),
            ("de", "Die Katze liegt wieder auf der Tastatur"),
            ("fr", "Le chat a encore volé le fromage"),
            ("ko", "우리 고양이 오늘도 귀여움이 폭발한다"),
            ("zh", "我家的猫又上了冰箱"),
            ("it", "Il gatto ha dormito nel cassetto"),
            ("tr", "Kedim yine klavyede uyuyor"),
        ],
    },
    Topic {
        tags: &["food", "foodie", "recipe"],
        cashtags: &[],
        host: "food.example.com",
        sentences: &[
            ("en", "Made fresh pasta for {n} people and nobody left hungry"),
            ("en", "That ramen place in {city} is worth the queue"),
            ("en", "Sourdough day {n}: it rises, it rises!"),
            ("es", "Paella para {n} el domingo en {city}"),
            ("pt", "Feijoada de sábado com a família"),
            ("de", "Brot gebacken, Küche voller Mehl, alles gut"),
            ("fr", "Tarte aux pommes maison, il n'en reste rien"),
            ("ko", "{city} 맛집 발견, 김치찌개가 최고"),
            ("zh", "在{city}吃到了最好吃的小笼包"),
            ("it", "La carbonara senza panna, grazie"),
        ],
    },
    Topic {
        tags: &["AI", "machinelearning"],
        cashtags: &["NVDA", "GOOG"],
        host: "tech.example.com",
        sentences: &[
            ("en", "The new model writes better commit messages than I do"),
            ("en", "Trained for {n} days, the loss went up, we call it research"),
            ("en", "{n} startups pitched AI for everything in {city} today"),
            ("es", "La IA escribió mi informe y nadie lo notó"),
            ("pt", "Inteligência artificial em todo lugar, até na cafeteira"),
            ("de", "Künstliche Intelligenz erklärt mir jetzt meine eigenen Tests"),
            ("fr", "L'intelligence artificielle a encore inventé une source"),
            ("ko", "인공지능이 숙제를 다 해 주는 시대"),
            ("zh", "人工智能又上了新闻头条"),
        ],
    },
    Topic {
        tags: &["cycling", "bikecommute"],
        cashtags: &[],
        host: "bike.example.org",
        sentences: &[
            ("en", "{n}0 km before breakfast, headwind both ways"),
            ("en", "New bike lane in {city}, it ends in a wall"),
            ("es", "En bici al trabajo por {city}, {n} minutos y ningún semáforo"),
            ("pt", "Pedalei até a praia hoje"),
            ("de", "Mit dem Rad durch {city}: {n} Minuten schneller als die Bahn"),
            ("fr", "Le col est fermé, on monte quand même"),
            ("it", "In salita con il vento contro, bellissimo"),
        ],
    },
    Topic {
        tags: &["trains", "commute"],
        cashtags: &["UBER"],
        host: "travel.example.net",
        sentences: &[
            ("en", "Train to {city} delayed by {n}0 minutes, the usual"),
            ("en", "The night train to {city} is back and it is lovely"),
            ("es", "Otra vez retraso en el metro de {city}"),
            ("pt", "Trânsito parado em {city}, vou a pé"),
            ("de", "Der Zug nach {city} fällt heute aus, Ersatzverkehr mit Bussen"),
            ("fr", "Grève des trains à {city}, bon courage à tous"),
            ("ko", "{city} 지하철 오늘도 만원이다"),
            ("tr", "{city} trafiği yine durdu"),
        ],
    },
    Topic {
        tags: &["markets", "stocks", "investing"],
        cashtags: &["TSLA", "AAPL", "MSFT", "AMZN"],
        host: "finance.example.com",
        sentences: &[
            ("en", "Down {n} percent at the open, up by lunch, what a day"),
            ("en", "Earnings call in {n} hours, holding my breath"),
            ("en", "Everyone on the train to {city} talks about stocks again"),
            ("es", "La bolsa cae un {n} por ciento"),
            ("de", "Der Kurs fällt um {n} Prozent, ich schaue nicht hin"),
            ("fr", "La bourse de {city} ouvre en hausse"),
            ("zh", "今天股市又跌了{n}个点"),
        ],
    },
];
