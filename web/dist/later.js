import{A as Ne,I as Q,J as ee,K as te,L as Ae,M as F,O as Re,T as ie,V as Me,W,X as Le,Y as s,da as v,ea as _,ga as A,h as ge,ha as _e,ia as k,ja as x,ka as u,l as be,la as C,m as we,n as ke,o as xe,oa as se,pa as ne,qa as B,ra as J,sa as U,u as Se,v as Ce,w as Ee,x as Te,y as Oe}from"./chunk.js";var Ie={"token.title":"Token","token.text":"This server asks who you are. Paste the token that you were given; it is kept for this tab only.","token.label":"Token","token.refused":"The server says: {reason}","token.go":"Go on","saved.form":"Save this search","saved.loading":"Reading what the server keeps \u2026","saved.failed":"Saved searches can\u2019t be read now: {reason}","saved.locked":"This server does not save searches for you yet. One of these helps:","saved.locked.token":"Paste a token that may save searches. It is kept for this tab only.","saved.locked.local":"Or open the page on the server\u2019s own machine, at localhost.","saved.locked.operator":"Or ask who runs the server for a token: its right is called \u201Csearches\u201D.","saved.none":"Nothing is saved yet. The bell of a column saves its search: it goes on while every browser is closed.","saved.cut":"The first {count} are shown.","saved.all":"All","saved.sets":"Sets of columns","saved.set.open":{one:"Open this column",other:"Open these {count} columns"},"saved.set.save":{one:"Keep the open column as a set",other:"Keep the {count} open columns as a set"},"saved.set.name":"Name of the set","saved.set.saved":"The set {name} is saved","saved.open":"Open in a column","saved.column":"Open","saved.edit":"Change","saved.remove":"Delete","saved.remove.sure":"Really delete?","saved.removed":"{name} is deleted","saved.test":"Send a sample","saved.test.fine":"took the sample ({status})","saved.test.failed":"did not take the sample: {reason}","saved.tries":"Deliveries","saved.tries.none":"Nothing was sent yet.","saved.tries.time":"Time","saved.tries.to":"To","saved.tries.events":"Events","saved.tries.answer":"Answer","saved.paused":"{name} is paused","saved.resumed":"{name} goes on","saved.nowhere":"Kept only","saved.delivered":{one:"{count} delivered",other:"{count} delivered"},"saved.next":"next try {time}","saved.changed":"Somebody has changed it meanwhile. Look at it again.","saved.taken":"There is a saved search {name} already.","saved.saved":"{name} is saved","saved.save":"Save","saved.cancel":"Cancel","saved.query":"Search","saved.name":"Name","saved.tags":"Sets","saved.tags.help":"Searches of one set open together, in their order. Put commas between sets.","saved.where":"Where matches go","saved.where.nowhere":"Nowhere yet: the search is kept, and opens as a column on any browser.","saved.public":"Anyone may read its feed","saved.feed":"Feed","feed.title":"Feed for feed readers","feed.atom":"Atom","feed.json":"JSON Feed","feed.public.later":"These addresses work once the search is saved.","feed.secret.later":"Save the search first. Then you can make a secret address, which needs no sign-in.","feed.secret.none":"A secret address lets a feed reader read it without a sign-in.","feed.secret.some":"It has a secret address, which was shown when it was made. A new one ends it.","feed.secret.made":"Copy the address now: it is not shown again. Who knows it can read the feed.","feed.secret.make":"Make a secret address","feed.secret.again":"Make a new secret address","feed.secret.revoke":"End the secret address","feed.secret.revoked":"The secret address does not work any more","saved.state.live":"Live","saved.state.catching-up":"Catching up","saved.state.failing":"Failing","saved.state.paused":"Paused","receiver.add":"Add a receiver","receiver.add.one":"Add {kind}","receiver.remove":"Remove","receiver.make":"Make one","receiver.unknown":"This page does not know this kind of receiver. It stays as it is.","receiver.webhook":"Webhook","receiver.webhook.about":"Signed POST requests to an address of yours","receiver.mail":"mail","receiver.mail.about":"Digests by mail, each with a link to unsubscribe","receiver.mail.to":"To","receiver.slack":"Slack","receiver.slack.about":"Messages to a channel, by an incoming webhook","receiver.discord":"Discord","receiver.discord.about":"Messages to a channel, by its webhook","receiver.teams":"Microsoft Teams","receiver.teams.about":"Messages to a channel, by a workflow","receiver.ntfy":"ntfy","receiver.ntfy.about":"Notifications on a phone, by a topic","receiver.text":"plain text","receiver.text.about":"Lines of text, posted to an address of yours","receiver.every":"How often","receiver.every.once":"at once","receiver.every.5m":"every 5 minutes, together","receiver.every.1h":"every hour, together","receiver.every.1d":"every day, together","receiver.every.7d":"every week, together","receiver.at":"At","receiver.at.help":"Weekly ones also take a day: fri 09:00.","receiver.zone":"Time zone","receiver.zone.mine":"Mine","receiver.most":"At most, an hour","receiver.most.help":"The rest comes together at the beginning of the next hour. Empty for no limit.","receiver.url":"Address","receiver.secret":"Secret","receiver.secret.help":"Copy it to the receiver, which verifies signatures with it. It is not shown again. Without, nothing is signed.","choice.search":"Search for {term}","choice.add":"Add it to this search","choice.without":"Leave it out of this search","analysis.title":"Analysis","analysis.all":{one:"{count} tweet",other:"all {count} tweets"},"analysis.loaded":{one:"{count} loaded tweet",other:"{count} loaded tweets"},"analysis.time":"Tweets over time","analysis.bar":"bars of {interval}, times in {zone}","analysis.earlier":{one:"{count} much earlier tweet left out",other:"{count} much earlier tweets left out"},"analysis.counted":"counted {time}","analysis.counted.title":"The server counts again every few seconds. Meanwhile the column counts on.","analysis.summary":"{n} tweets from {from} to {to}","analysis.cloud":"Word cloud","analysis.words":"Words","analysis.hashtags":"Hashtags","analysis.authors":"Authors","analysis.languages":"Languages","analysis.language.unknown":"not known","analysis.nothing":"Nothing to show yet.","analysis.add":"Add {term} to the search","analysis.trend":"Trend: {long} over all, {short} lately","trend.up":"rising","trend.flat":"steady","trend.down":"falling","analysis.svg":"SVG","analysis.png":"PNG","analysis.save":"Save as {format}","column.left":"Move left","column.right":"Move right","column.pagesize":"Tweets to a page","column.pagesize.endless":"endless","column.history":"History to load","column.cap":"Tweets to keep","column.notify":"Desktop notifications","column.notify.denied":"The browser does not allow notifications here.","column.notify.allow":"Allow them in the settings of the browser for this site, then tick this again. Browsers allow them over https only.","column.title":"Count in the title","column.export":"What is loaded","export.title":"Export","export.all":"Everything that is found","export.failed":"Not exported: {reason}","column.ndjson":"NDJSON","column.csv":"CSV","column.retweets":"Retweets","column.retweets.fold":"together","column.retweets.each":"each","column.retweets.hide":"hidden","filter.title":"Only tweets","filter.any":"any","filter.media":"Pictures and videos","filter.media.with":"with","filter.media.without":"without","filter.language":"Language","filter.followers":"Followers of the author","filter.likes":"Likes","filter.least":"at least {count}","filter.apply":"Apply","view.title":"How it looks","view.width":"Width","view.width.narrow":"narrow","view.width.normal":"normal","view.width.wide":"wide","view.density":"Density","view.density.normal":"comfortable","view.density.compact":"compact","mute.label":"Muted words, in all columns","mute.example":"spoiler, @noisy, #ad","notice.title":"What tells of new tweets","notice.sound":"A tone","sources.text":"Run one of these commands where perch runs. What comes in is searched at once.","sources.files":"Files and archives","sources.files.text":"Archives of an X account, of Mastodon and Bluesky, tables, and JSON of many tools, also packed.","sources.bluesky":"Bluesky, live","sources.bluesky.text":"All posts as they are written. No account is needed.","sources.mastodon":"Mastodon, live","sources.mastodon.text":"The public timeline of a server. The file \u201Ctoken\u201D has a token of an account there.","sources.http":"Your own program","sources.http.text":"One tweet a line, sent by HTTP.","help.title":"How to search","help.try":"Try {query}","help.words":"Words","help.words.text":"All words must be in a tweet, in any order. Case and accents make no difference.","help.entities":"People, tags, links","help.attributes":"Kinds of tweets","help.ranges":"Numbers, dates, places","help.patterns":"Parts of words","help.keys":"Keys","help.and":"both","help.or":"either, but not unpaid","help.phrase":"these words, in this order","help.near":"near each other","help.hashtag":"the hashtag only","help.mention":"who mentions them","help.from":"what they write","help.to":"answers to them","help.url":"links to a site","help.lang":"in English","help.in":"in one of these languages","help.media":"with a picture","help.noretweet":"no retweets","help.reply":"replies","help.followers":"from people many follow","help.retweets":"retweeted at least ten times","help.since":"since a day","help.within":"in a box: west, south, east, north","help.near.place":"around a point","help.prefix":"starts like this","help.wildcard":"? is one sign, * any number","help.fuzzy":"or nearly so","help.regex":"a regular expression, of one word","help.everything":"everything","keys.search":"search","keys.add":"while typing: search in a new column","keys.jk":"next, previous tweet","keys.inside":"on a tweet: to its links and names; Esc comes back","keys.columns":"previous, next column","keys.number":"to a column","keys.new":"search in a new column","keys.close":"close the column","keys.undo":"open it again","keys.pause":"pause or go on","keys.analysis":"analysis","keys.help":"this help","keys.escape":"close what is open","keys.shift":"on a tag or name: add it to the search","keys.top":"to the top"};function De(e,{width:t,height:o,measure:a,smallest:n=12,largest:l=44}){let r=Math.sqrt(e[0]?.count??1),c=Math.sqrt(e[e.length-1]?.count??1),i=[];for(let{text:d,count:p}of e){let h=r>c?(Math.sqrt(p)-c)/(r-c):.5,$=Math.round(n+h*(l-n)),y={text:d,size:$,x:0,y:0,width:a(d,$)};gt(y,i,t,o)&&i.push(y)}return i}function gt(e,t,o,a){let n=a/o;for(let l=0,r=0;r<o/2;l+=.25,r=l*2.2)if(e.x=Math.cos(l)*r,e.y=Math.sin(l)*r*n,Math.abs(e.x)+e.width/2<=o/2&&Math.abs(e.y)+e.size*1.08/2<=a/2&&!t.some(i=>bt(e,i)))return!0;return!1}function bt(e,t){return Math.abs(e.x-t.x)<(e.width+t.width)/2+8&&Math.abs(e.y-t.y)<(e.size+t.size)/2*1.08}var oe=e=>e.replace(/[&<>"']/g,t=>`&#${t.charCodeAt(0)};`),wt="system-ui, sans-serif";function je(e,{width:t,height:o,colors:a}){let n=e.map(({text:l,size:r,x:c,y:i},d)=>`<text x="${(c+t/2).toFixed(1)}" y="${(i+o/2).toFixed(1)}" font-size="${r}" fill="${a.colors[d%a.colors.length]}" text-anchor="middle" dominant-baseline="central">${oe(l)}</text>`);return Fe(t,o,a,n.join(""))}function ze({starts:e,counts:t},{width:o,height:a,colors:n,title:l,label:r}){let c=Math.max(1,...t),i=44,d=30,p=a-24,h=(o-i-12)/Math.max(1,t.length),$=t.map((b,T)=>{let O=b/c*(p-d);return`<rect x="${(i+T*h).toFixed(1)}" y="${(p-O).toFixed(1)}" width="${Math.max(1,h-1).toFixed(1)}" height="${O.toFixed(1)}" fill="${n.colors[0]}"/>`}),y=e[0],g=e[e.length-1],m=[`<text x="${i}" y="18" font-size="13" fill="${n.text}">${oe(l)}</text>`,`<text x="${i-6}" y="${d+4}" font-size="11" fill="${n.faint}" text-anchor="end">${c}</text>`,`<text x="${i-6}" y="${p}" font-size="11" fill="${n.faint}" text-anchor="end">0</text>`,y===void 0?"":`<text x="${i}" y="${a-8}" font-size="11" fill="${n.faint}">${oe(r(y))}</text>`,g===void 0?"":`<text x="${o-12}" y="${a-8}" font-size="11" fill="${n.faint}" text-anchor="end">${oe(r(g))}</text>`];return Fe(o,a,n,$.join("")+m.join(""))}var Fe=(e,t,o,a)=>`<svg xmlns="http://www.w3.org/2000/svg" width="${e}" height="${t}" viewBox="0 0 ${e} ${t}" font-family="${wt}"><rect width="${e}" height="${t}" fill="${o.back}"/>${a}</svg>`;async function Pe(e){let t=new Image;t.src=`data:image/svg+xml;charset=utf-8,${encodeURIComponent(e)}`,await t.decode();let o=document.createElement("canvas");return o.width=t.width*2,o.height=t.height*2,o.getContext("2d")?.drawImage(t,0,0,o.width,o.height),new Promise((a,n)=>o.toBlob(l=>l?a(l):n(new Error("no picture")),"image/png"))}var kt=new Set(`a about above after again against ain all also am amp an and any are aren as at be because been before being below between both but by can co com could couldn did didn do does
  doesn doing don down during each few for from further get gets getting go goes going gonna got had hadn has hasn have haven having he her here hers herself him himself his how http https i if
  im in into is isn it its itself just know let like ll ma make many may me might mightn more most much must mustn my myself need needn no nor not now of off oh ok on one only or other our ours
  ourselves out over own please re really rt s said same say see shan she should shouldn so some still such t take than that the their theirs them themselves then there these they thing
  this those through time to today too u under until up us ur use very via wanna want ve was wasn way we well were weren what when where which while who whom why will with won would
  wouldn www y yeah yes yet you your yours yourself yourselves youre dont cant wont thats ive hes shes theyre didnt doesnt isnt lol
  der die das und ist ich nicht ein eine einer es sie er wir ihr zu den dem des mit auf fur von im an aus bei nach wie auch so noch nur aber oder wenn dass als am hat haben war sind
  de la le les et un une des du en que qui dans pour pas sur est ce il je ne se au avec plus tu
  el los las y lo un una por con para no es su al del como mas pero sus ya o mi me te si
  que nao com uma os no na por mais as dos como mas foi ao ele das tem seu sua ou ser quando`.split(/\s+/)),ce=e=>e.length>=2&&e.length<=30&&new RegExp("\\p{L}","u").test(e)&&!kt.has(e),xt=/[@＠]\w+/gu,St=/^[\u3040-\u309f\u30fc]{1,3}$/u,Ct=new Intl.Segmenter(void 0,{granularity:"word"}),ue=e=>(e.original??e).text;function Be(e,t){let o=ue(e),a=[...o.matchAll(xt)].map(({0:c,index:i})=>({start:i,end:i+c.length})),n=(t.known(o)??[]).filter(({start:c})=>!a.some(i=>c>=i.start&&c<i.end)),l=new Map,r=(c,i)=>{ce(c)&&!l.has(c)&&l.set(c,i.toLowerCase())};for(let c=0,i=1;c<n.length;c=i,i++){for(;i<n.length&&n[i]?.start===n[i-1]?.end;)i++;let[d,p]=[n[c],n[i-1]],h=o.slice(d.start,p.end);if(i===c+1)r(d.term,h);else for(let{segment:$,isWordLike:y}of Ct.segment(h))y&&!St.test($)&&r($.toLowerCase(),$)}return l}var Ue=(e,t,o)=>ke(e.flatMap(a=>[...Be(a,o).values()])).slice(0,t);function He(e,t,o){let a=new Set(e),n=new Map;for(let l of t){if(n.size===a.size)break;for(let[r,c]of Be(l,o))a.has(r)&&!n.has(r)&&n.set(r,c)}return n}function Et(e){let t=e.length;if(t<2)return 0;let o=(t-1)/2,a=e.reduce((r,c)=>r+c,0)/t,n=0,l=0;return e.forEach((r,c)=>{n+=(c-o)*(r-a),l+=(c-o)**2}),n/l}var Tt=20,Ot=7,qe=.35;function Ge(e,t,o){let a=e.map(({text:r})=>o.known(r)).filter(r=>r!==null),n=Math.min(Tt,a.length),l=new Map(t.map(r=>[r,Array.from({length:n},()=>0)]));return a.forEach((r,c)=>{let i=n-1-Math.floor(c*n/a.length),d=new Set(r.map(({term:p})=>p));for(let[p,h]of l)d.has(p)&&(h[i]=(h[i]??0)+1)}),new Map([...l].map(([r,c])=>[r,{long:We(c),short:We(c.slice(-Ot))}]))}function We(e){let t=e.reduce((a,n)=>a+n,0)/e.length;if(!(t>0)||e.length<3)return 0;let o=Et(e)*(e.length-1)/t;return o>qe?1:o<-qe?-1:0}var Nt=()=>import("./uplot.js").then(e=>e.default),Ve=130,H={width:380,height:230},Ke=60,de=8,At=5;function pe(){let e=getComputedStyle(document.documentElement),t=o=>e.getPropertyValue(o).trim();return{text:t("--ink"),faint:t("--faint"),back:t("--card"),colors:["--chart-1","--chart-2","--chart-3","--chart-4","--chart-5"].map(t)}}function Rt({column:e,onClose:t}){let{perch:o,searchTerm:a}=k(x),n=Ft(e),{theme:l}=o.memory.value,r=i=>a(e,i,!0),c=i=>n.all===null||i?s("analysis.loaded",{n:n.loaded,count:C.count(n.loaded)}):s("analysis.all",{n:n.all,count:C.count(n.all)});return u`<aside class="analysis" aria-label=${s("analysis.title")}>
    <header>
      <h2>${s("analysis.title")}</h2>
      <span class="of" title=${s("analysis.counted.title")}>${c(!1)}${n.countedAt!==null&&`, ${s("analysis.counted",{time:C.clock(n.countedAt)})}`}</span>
      <button type="button" class="bare" aria-label=${s("close")} title=${s("close")} onClick=${t}><${U} name="close" /></button>
    </header>
    <div class="body" tabindex="0" role="group" aria-label=${s("analysis.title")}>
      ${n.loaded===0?u`<p class="notice">${s("analysis.nothing")}</p>`:u`<${Pt} key=${l} column=${e} data=${n.time} />
            <${Wt} words=${n.cloud} add=${r} column=${e} />
            <${Ut} words=${n.words} trends=${n.trends} add=${r} scope=${n.areWordsLoaded&&n.all!==null?c(!0):""} />
            <${re} title=${s("analysis.hashtags")} counts=${n.hashtags} search=${i=>`#${i}`} add=${r} />
            <${re} title=${s("analysis.authors")} counts=${n.authors} search=${i=>`from:${i}`} add=${r} />
            <${re} title=${s("analysis.languages")} counts=${n.languages} search=${i=>`lang:${i}`} add=${r} />`}
    </div>
  </aside>`}var Xe=500,Mt=6,Je=20,Lt=.9,_t=5,Ze=2e3;function Ye(e,t){e.analyze();let{tweets:o}=e.feed,{time:a,counts:n}=e.spread??{time:null,counts:null},l=n??xe(o),r=a?.total??o.length,c=new Map(l.mentions.map(({term:f,count:E})=>[f,E])),i=new Set(e.marks.texts.flatMap(f=>(t.known(f)??[]).map(({term:E})=>E))),d=(f,E)=>ce(f)&&!i.has(f)&&(r<Je||E>1&&E<r*Lt)&&(c.get(f)??0)*2<E,p=l.words.filter(({term:f,count:E})=>d(f,E)).slice(0,Ke),h=o.slice(0,Xe),$=o.slice(0,Ze),y=He(p.map(({term:f})=>f),h,t),g=p.length<Mt?Ue($,Ke,t).filter(({term:f,count:E})=>!i.has(f)&&(o.length<Je||E>1)):[],m=g.length>p.length,b=m?Y(g,f=>f):Y(p,f=>y.get(f)??f),T=b.slice(0,12),O=new Map(h.map(({screen:f})=>[f.toLowerCase(),f])),R=new Map(h.flatMap(({hashtags:f})=>f.map(E=>[It(E,t),E])));return{loaded:o.length,all:a?.total??null,countedAt:e.spread?.countedAt??null,time:a?we(a):be(o.map(f=>f.time)),cloud:b,words:T,areWordsLoaded:m,trends:m?null:Ge($,T.map(({term:f})=>f),t),hashtags:Y(l.hashtags.slice(0,de),f=>`#${R.get(f)??f}`),authors:Y(l.authors.slice(0,de),f=>`@${O.get(f)??f}`),languages:Y(l.languages.slice(0,de),zt)}}function It(e,t){let o=t.known(e);return o?.length===1&&o[0]?.term||e.toLowerCase()}function Dt(e,t){let o=e.feed.tweets.slice(0,Ze),a=[...e.marks.texts,...o.flatMap((n,l)=>[n.text,ue(n),...l<Xe?n.hashtags:[]])];return a.every(n=>t.known(n))?null:t.load(a)}var Y=(e,t)=>e.map(o=>({...o,label:t(o.term)})),jt=new Intl.DisplayNames(W,{type:"language",fallback:"code"});function zt(e){try{return e==="und"&&s("analysis.language.unknown")||jt.of(e)||e}catch{return e}}function Ft(e){let{perch:t}=k(x),{analyzer:o}=t,[a,n]=v(()=>Ye(e,o)),l=A({version:-1,turn:0});return _(()=>{let r=!0,c=()=>{l.current.version=e.version.peek(),l.current.turn++,n($=>{let y=Ye(e,o);return $.cloud.length>=20&&$.all!==null&&l.current.turn%At!==0?{...y,cloud:$.cloud}:y})},i=()=>{e.analyze(),e.version.peek()!==l.current.version&&d()},d=()=>{c(),Dt(e,o)?.then(()=>r&&c())},p=null,h=[t.second.subscribe(i),e.version.subscribe(()=>{e.analyze();let $=e.spread?.counts??null;$!==p&&(p=$,d())})];return()=>{r=!1,h.forEach($=>$())}},[e]),a}function Qe({name:e,svg:t}){let o=async()=>ne(`${e}.png`,await Pe(t()));return u`<span class="save">
    <button type="button" class="small" aria-label=${s("analysis.save",{format:"SVG"})} onClick=${()=>se(`${e}.svg`,t(),"image/svg+xml")}>${s("analysis.svg")}</button>
    <button type="button" class="small" aria-label=${s("analysis.save",{format:"PNG"})} onClick=${o}>${s("analysis.png")}</button>
  </span>`}function Pt({column:e,data:t}){let o=A(null),a=A(null),n=document.documentElement.dataset.theme,l=A(null),r=()=>[t.starts.map(m=>m/1e3),t.counts],[c,i]=v(null);_(()=>{let m=!0;return Nt().then(b=>m&&i(()=>b)),()=>{m=!1}},[]),_(()=>{let m=o.current;if(!m||!c)return;let b=pe(),T={stroke:b.faint,grid:{stroke:b.faint,width:.25},ticks:{show:!1},font:"11px system-ui"},O=()=>Math.max(200,m.clientWidth),R=new c({width:O(),height:Ve,padding:[8,26,0,0],legend:{show:!1},hooks:{setCursor:[E=>h(E.cursor.idx??null)]},cursor:{y:!1,drag:{x:!1,y:!1}},scales:{y:{range:(E,I,P)=>[0,Math.max(1,P)]}},axes:[{...T,space:84,size:28,values:(E,I,P,w,S)=>I.map(M=>C.tick(M*1e3,S*1e3))},{...T,size:40,incrs:[1,2,5,10,20,50,100,200,500,1e3,2e3,5e3,1e4,1e5,1e6],space:26}],series:[{},{fill:b.colors[0],stroke:b.colors[0],width:0,points:{show:!1},paths:c.paths.bars?.({size:[.8,60],align:1})}]},r(),m);a.current=R;let f=new ResizeObserver(()=>R.setSize({width:O(),height:Ve}));return f.observe(m),()=>{f.disconnect(),R.destroy()}},[n,c]),_(()=>a.current?.setData(r()),[t]);let d=t.starts[t.starts.length-1]??NaN,p=()=>{let m={interval:C.interval(t.interval),zone:Number.isFinite(d)?C.zone(d):""},b=t.earlier>0?`, ${s("analysis.earlier",{n:t.earlier,count:C.count(t.earlier)})}`:"";return s("analysis.bar",m)+b},h=m=>{let[b,T]=a.current?.data??r(),O=m===null?void 0:b[m],R=m===null||O===void 0?p():`${C.full(O*1e3)}: ${C.count(T?.[m]??0)}`;l.current&&(l.current.textContent=R)};_(()=>h(null),[t.interval,t.earlier]);let $=t.counts.reduce((m,b)=>m+b,0),y={n:C.count($),from:C.full(t.starts[0]??NaN),to:C.full(d)},g=()=>ze(t,{width:720,height:240,colors:pe(),title:`${e.query} \u2013 ${s("analysis.time")}`,label:C.full});return u`<section>
    <h3>
      <span>${s("analysis.time")}</span>
      <${Qe} name=${`${J(e.query)}-time`} svg=${g} />
    </h3>
    <p class="legend" ref=${l}></p>
    <div class="plot" ref=${o} role="img" aria-label=${s("analysis.summary",y)}></div>
  </section>`}var ae=null;function qt(e,t){return ae??=document.createElement("canvas").getContext("2d"),ae?(ae.font=`600 ${t}px system-ui, sans-serif`,ae.measureText(e).width):e.length*t*.6}function Wt({words:e,add:t,column:o}){let a=_e(()=>De(e.map(({label:l,count:r})=>({text:l,count:r})),{...H,measure:qt}),[e]);if(a.length===0)return null;let n=()=>je(a,{...H,colors:pe()});return u`<section>
    <h3>${s("analysis.cloud")}<${Qe} name=${`${J(o.query)}-words`} svg=${n} /></h3>
    <svg class="cloud" viewBox=${`${-H.width/2} ${-H.height/2} ${H.width} ${H.height}`} role="group" aria-label=${s("analysis.cloud")}>
      ${a.map(({text:l,size:r,x:c,y:i},d)=>u`<text
          key=${l}
          class=${`word c${d%5+1}`}
          x=${c.toFixed(1)}
          y=${i.toFixed(1)}
          font-size=${r}
          role="button"
          tabindex=${d===0?0:-1}
          aria-label=${s("analysis.add",{term:l})}
          onClick=${()=>t(l)}
          onKeyDown=${p=>Bt(p,()=>t(l))}
        >
          ${l}
        </text>`)}
    </svg>
  </section>`}function Bt(e,t){let o=e.currentTarget,a=e.key==="ArrowRight"||e.key==="ArrowDown"?o.nextElementSibling:e.key==="ArrowLeft"||e.key==="ArrowUp"?o.previousElementSibling:null;if(e.key==="Enter"||e.key===" ")t();else if(a)a.focus();else return;e.preventDefault()}var G={1:"up",0:"flat","-1":"down"};function Ut({words:e,trends:t,add:o,scope:a}){return u`<${re}
    title=${s("analysis.words")}
    scope=${a}
    counts=${e}
    add=${o}
    extra=${t&&(({term:n,count:l})=>{if(l<_t)return null;let{long:r,short:c}=t.get(n)??{long:0,short:0},i=s("analysis.trend",{long:s(`trend.${G[r]}`),short:s(`trend.${G[c]}`)});return u`<span class="trends" title=${i}
        ><span class=${`trend ${G[r]}`}><${U} name=${G[r]} /></span><span class=${`trend ${G[c]}`}><${U} name=${G[c]} /></span
        ><span class="unseen">${i}</span></span
      >`})}
  />`}function re({title:e,counts:t,add:o,search:a=r=>r,scope:n="",extra:l}){if(t.length===0)return null;let r=t[0]?.count??1;return u`<section>
    <h3>${e}${n&&u`<span class="scope">${n}</span>`}</h3>
    <ul class="bars">
      ${t.map(c=>u`<li key=${c.term}>
          <button type="button" data-term=${a(c.term)} title=${s("analysis.add",{term:c.label})} onClick=${()=>o(a(c.term))}>
            <span class="bar" style=${{width:`${(c.count/r*100).toFixed(1)}%`}}></span><bdi>${c.label}</bdi>
          </button>
          ${l?.(c)}<span class="n">${C.count(c.count)}</span>
        </li>`)}
    </ul>
  </section>`}function he(e,t){let o="@@",a=JSON.stringify(e)??"null";for(;a.includes(o);)o+="@";return JSON.stringify(e,function(l,r){if(typeof r!="number"||Number.isSafeInteger(r))return r;let c=this[`${l}_str`];return typeof c=="string"&&/^\d+$/.test(c)?o+c:r},t).replaceAll(new RegExp(`"${o}(\\d+)"`,"g"),"$1")}var Ht=2e3;async function et(e,t,o){let a=`api/export?${new URLSearchParams({q:e,format:t})}`;if(!o&&a.length<Ht){let l=await fetch(`api/search?${new URLSearchParams({q:e,n:"0"})}`);if(!l.ok)throw new Error((await l.json()).error?.message??l.statusText);let r=document.createElement("a");return r.href=a,r.download="",r.click(),null}let n=await fetch("api/export",{method:"POST",headers:{"content-type":"application/json",...o?{authorization:`Bearer ${o}`}:{}},body:JSON.stringify({q:e,format:t})});if(!n.ok)throw new Error((await n.json().catch(()=>null))?.error?.message??n.statusText);return n.blob()}var tt=e=>e.map(t=>`${he(t.raw)}
`).join(""),Gt=["id","created_at","screen_name","name","followers","lang","text","retweets","favorites","retweet_of"];function st(e){let t=e.map(o=>[o.id,Number.isFinite(o.time)?new Date(o.time).toISOString():"",o.screen,o.name,o.followers,o.lang,o.text,o.retweets,o.favorites,o.originalId??""]);return[Gt,...t].map(o=>`${o.map(Vt).join(",")}\r
`).join("")}function Vt(e){if(typeof e=="number")return String(e);let t=/^[=+\-@\t\r]/.test(e)?`'${e}`:e;return/[",\r\n]/.test(t)?`"${t.replaceAll('"','""')}"`:t}var me={media:"",lang:"",followers:0,likes:0},nt=[{name:"media",pattern:/(?:^|\s)(-?)has:media$/,read:([,e])=>e?"without":"with",write:e=>e==="with"?"has:media":"-has:media"},{name:"lang",pattern:/(?:^|\s)lang:([a-z]{2,3})$/,read:([,e])=>e,write:e=>`lang:${e}`},{name:"followers",pattern:/(?:^|\s)followers:>=(\d{1,9})$/,read:([,e])=>Number(e),write:e=>`followers:>=${e}`},{name:"likes",pattern:/(?:^|\s)likes:>=(\d{1,9})$/,read:([,e])=>Number(e),write:e=>`likes:>=${e}`}];function ot(e){let t=e.trim(),o={...me};if(t.startsWith("{"))return null;for(;;){let a=nt.find(({name:l,pattern:r})=>o[l]===me[l]&&r.test(t)),n=a?.pattern.exec(t);if(!a||!n||ie(t))return{base:t||"*",filters:o};Object.assign(o,{[a.name]:a.read(n)}),t=t.slice(0,n.index).trim()}}function at(e,t){let o=nt.filter(({name:a})=>t[a]!==me[a]).map(({name:a,write:n})=>n(t[a]));return o.length===0?e:e==="*"||e===""?o.join(" "):[ie(e)?`(${e})`:e,...o].join(" ")}var Kt=[0,100,1e3,1e4,1e5],Jt=[0,1,10,100,1e3],Yt=["en","ja","es","pt","ar","de","fr","id","it","ko","nl","pl","ru","sv","th","tr","uk","zh"];function Xt({column:e,at:t,n:o,onClose:a}){let{perch:n}=k(x);return u`<div class="panel" role="group" aria-label=${s("column.menu")}>
    <${Zt} column=${e} onClose=${a} />
    <${Qt} column=${e} />
    <${es} column=${e} />
    <${ts} column=${e} />
    ${o>1&&u`<div class="row">
      <button type="button" class="small" disabled=${t===0} onClick=${()=>n.move(e,t-1)}>${s("column.left")}</button>
      <button type="button" class="small" disabled=${t===o-1} onClick=${()=>n.move(e,t+1)}>${s("column.right")}</button>
    </div>`}
  </div>`}var z=({label:e,value:t,values:o,text:a,onValue:n})=>u`<label class="row"
    >${e}
    <select onChange=${l=>n(l.target.value)}>
      ${(o.includes(t)?o:[...o,t]).map(l=>u`<option value=${l} selected=${l===t}>${a(l)}</option>`)}
    </select></label
  >`;function Zt({column:e,onClose:t}){let{perch:o}=k(x),a=ot(e.query),[n,l]=v(a?.filters);if(!a||!n)return null;let r=h=>l({...n,...h}),c=new Intl.DisplayNames(W,{type:"language",fallback:"code"}),i=h=>h===0?s("filter.any"):s("filter.least",{count:C.count(h)}),d=at(a.base,n),p=()=>{t(),o.change(e,d)};return u`<h3>${s("filter.title")}</h3>
    <${z} label=${s("filter.media")} value=${n.media} values=${["","with","without"]} text=${h=>s(h===""?"filter.any":`filter.media.${h}`)} onValue=${h=>r({media:h})} />
    <${z} label=${s("filter.language")} value=${n.lang} values=${["",...Yt]} text=${h=>h?c.of(h)??h:s("filter.any")} onValue=${h=>r({lang:h})} />
    <${z} label=${s("filter.followers")} value=${n.followers} values=${Kt} text=${i} onValue=${h=>r({followers:Number(h)})} />
    <${z} label=${s("filter.likes")} value=${n.likes} values=${Jt} text=${i} onValue=${h=>r({likes:Number(h)})} />
    <div class="row"><code dir="auto">${d}</code><button type="button" class="small" disabled=${d===e.query} onClick=${p}>${s("filter.apply")}</button></div>`}function Qt({column:e}){let{perch:t}=k(x),o=e.settings.value,a=r=>t.configure(e,r),n=t.memory.value.muted.join(", "),l=(r,c,i)=>u`<${z}
      label=${s(r)}
      value=${o[c]}
      values=${i}
      text=${d=>d?C.count(d):s("column.pagesize.endless")}
      onValue=${d=>a({[c]:Number(d)})}
    />`;return u`<h3>${s("view.title")}</h3>
    <${z} label=${s("column.retweets")} value=${o.retweets} values=${ge} text=${r=>s(`column.retweets.${r}`)} onValue=${r=>a({retweets:r})} />
    <${z} label=${s("view.width")} value=${o.width} values=${Ee} text=${r=>s(`view.width.${r}`)} onValue=${r=>a({width:r})} />
    <${z} label=${s("view.density")} value=${o.density} values=${Te} text=${r=>s(`view.density.${r}`)} onValue=${r=>a({density:r})} />
    ${l("column.pagesize","pageSize",Oe)} ${l("column.history","history",Se)} ${l("column.cap","cap",Ce)}
    <label class="line"
      >${s("mute.label")}
      <input type="text" value=${n} placeholder=${s("mute.example")} onChange=${r=>t.remember({...t.memory.value,muted:Ne(r.target.value.split(","))})}
    /></label>`}function es({column:e}){let{perch:t,announce:o}=k(x),[a,n]=v(!1),l=e.settings.value,r=async i=>{let d=i.target.checked,p=d&&"Notification"in window&&await Notification.requestPermission()==="granted";t.configure(e,{notify:p}),i.target.checked=p,n(d&&!p),d&&!p&&o(s("column.notify.denied"))},c=i=>{i.target.checked&&Re(),t.configure(e,{sound:i.target.checked})};return u`<h3>${s("notice.title")}</h3>
    <label class="row">${s("column.notify")}<input type="checkbox" checked=${l.notify} onChange=${r} /></label>
    ${a&&u`<p class="refused">${s("column.notify.denied")} ${s("column.notify.allow")}</p>`}
    <label class="row">${s("notice.sound")}<input type="checkbox" checked=${l.sound} onChange=${c} /></label>
    <label class="row"
      >${s("column.title")}<input type="checkbox" checked=${l.title} onChange=${i=>t.configure(e,{title:i.target.checked})}
    /></label>`}function ts({column:e}){let{perch:t,announce:o}=k(x),[a,n]=v(""),l=i=>`${J(e.query)}.${i}`,r=(i,d,p)=>se(l(i),d,p),c=async i=>{n("");try{let d=await et(e.query,i,t.token);d&&ne(l(i),d)}catch(d){let p=s("export.failed",{reason:String(d?.message??d)});n(p),o(p)}};return u`<h3>${s("export.title")}</h3>
    <div class="row">
    ${s("export.all")}
    <span
      ><button type="button" class="small" aria-label=${`${s("export.all")}: ${s("column.ndjson")}`} onClick=${()=>c("ndjson")}>${s("column.ndjson")}</button>
      <button type="button" class="small" aria-label=${`${s("export.all")}: ${s("column.csv")}`} onClick=${()=>c("csv")}>${s("column.csv")}</button></span
    >
  </div>
  ${a&&u`<p class="refused">${a}</p>`}
  <div class="row">
    ${s("column.export")}
    <span
      ><button type="button" class="small" onClick=${()=>r("ndjson",tt(e.feed.tweets),"application/x-ndjson")}>${s("column.ndjson")}</button>
      <button type="button" class="small" onClick=${()=>r("csv",st(e.feed.tweets),"text/csv;charset=utf-8")}>${s("column.csv")}</button></span
    >
  </div>`}function ss(){let e=crypto.getRandomValues(new Uint8Array(32));return`whsec_${btoa(String.fromCharCode(...e))}`}function lt(e){try{return new URL(String(e)).host}catch{return String(e??"")}}var it={name:"url",label:"receiver.url",kind:"url",required:!0},rt=({every:e})=>typeof e=="string"&&e.endsWith("d"),ns=["","receiver.every.once"],ct=[["5m","receiver.every.5m"],["1h","receiver.every.1h"],["1d","receiver.every.1d"],["7d","receiver.every.7d"]],ut=e=>[{name:"every",label:"receiver.every",kind:"choice",choices:e},{name:"at",label:"receiver.at",kind:"text",example:"09:00",help:"receiver.at.help",fits:rt},{name:"time_zone",label:"receiver.zone",kind:"text",example:"Europe/Berlin",make:()=>Intl.DateTimeFormat().resolvedOptions().timeZone,made:"receiver.zone.mine",fits:rt},{name:"max_per_hour",label:"receiver.most",kind:"number",help:"receiver.most.help"}],dt=ut([ns,...ct]),X=(e,t,o,a)=>({type:"webhook",template:e,label:t,about:o,fields:[{...it,example:a},...dt],place:({url:n})=>lt(n)}),fe=[{type:"webhook",label:"receiver.webhook",about:"receiver.webhook.about",fields:[{...it,example:"https://example.org/hook"},{name:"secret",label:"receiver.secret",kind:"text",example:"whsec_\u2026",help:"receiver.secret.help",make:ss},...dt],place:({url:e})=>lt(e)},{type:"mail",label:"receiver.mail",about:"receiver.mail.about",defaults:{every:"1d"},fields:[{name:"to",label:"receiver.mail.to",kind:"email",required:!0,example:"ann@example.org"},...ut(ct)],place:({to:e})=>String(e??"")},X("slack","receiver.slack","receiver.slack.about","https://hooks.slack.com/services/\u2026"),X("discord","receiver.discord","receiver.discord.about","https://discord.com/api/webhooks/\u2026"),X("teams","receiver.teams","receiver.teams.about","https://\u2026.logic.azure.com/workflows/\u2026"),X("ntfy","receiver.ntfy","receiver.ntfy.about","https://ntfy.sh/my-topic"),X("text","receiver.text","receiver.text.about","https://example.org/lines")],Z=e=>fe.find(t=>t.type===e.type&&t.template===e.template),$e=e=>Z(e)?.place(e)??String(e.type);function pt(e){let t=Z(e)?.fields??[],o=Object.entries(e).filter(([a,n])=>{let l=t.find(r=>r.name===a);return n!==""&&(l?.fits?.(e)??!0)});return Object.fromEntries(o.map(([a,n])=>[a,t.some(l=>l.name===a&&l.kind==="number")?Number(n):n]))}function mt({known:e,setKnown:t,name:o,isPublic:a,setPublic:n}){return u`<h3>${s("feed.title")}</h3>
    <label class="row check">${s("saved.public")}<input type="checkbox" checked=${a} onChange=${l=>n(l.target.checked)} /></label>
    ${a&&o&&u`<${ft} urls=${Q(o)} />${!e?.public&&u`<p class="hint">${s("feed.public.later")}</p>`}`}
    ${!a&&!e&&u`<p class="hint">${s("feed.secret.later")}</p>`}
    ${e&&(!a||e.has_feed_token)&&u`<${os} known=${e} setKnown=${t} />`}`}function os({known:e,setKnown:t}){let{perch:o,announce:a}=k(x),[n,l]=v(null),[r,c]=v(""),[i,d]=v(!1),p=g=>async()=>{d(!0),c("");try{let m=await g();m.revision===e.revision+1&&t(m)}catch(m){c(F(m).message)}d(!1)},h=p(async()=>{let g=await o.saved.makeFeed(e.name);return l(g.urls),a(s("feed.secret.made")),g.search}),$=p(async()=>{let g=await o.saved.revokeFeed(e.name);return l(null),a(s("feed.secret.revoked")),g}),y=e.has_feed_token;return u`<p class="hint">${s(n?"feed.secret.made":y?"feed.secret.some":"feed.secret.none")}</p>
    ${n&&u`<${ft} urls=${n} />`}
    <div class="acts">
      <button type="button" class="small" disabled=${i} onClick=${h}>${s(y?"feed.secret.again":"feed.secret.make")}</button>
      ${y&&u`<button type="button" class="small" disabled=${i} onClick=${$}>${s("feed.secret.revoke")}</button>`}
    </div>
    <p class="refused" role="alert">${r}</p>`}var ft=({urls:e})=>u`<ul class="urls">
  <${ht} kind=${s("feed.atom")} url=${e.atom} />
  <${ht} kind=${s("feed.json")} url=${e.json} />
</ul>`;function ht({kind:e,url:t}){let{announce:o}=k(x),[a,n]=v("tweet.copy"),l=A(null),{href:r}=new URL(t,document.baseURI),c=async()=>{let i=await B(r,l.current)?"tweet.copied":"tweet.copy.failed";n(i),o(s(i))};return u`<li>
    <b>${e}</b> <a ref=${l} href=${r} target="_blank" rel="noopener">${r}</a>
    <button type="button" class="small" aria-label=${`${s(a)}: ${e}`} onClick=${c}>${s(a)}</button>
  </li>`}var as=8,ve=128;function $t({query:e,onDone:t,onCancel:o}){let{saved:a}=k(x).perch,[n,l]=v(()=>a.of(e)??null),r=a.offers.value,[c,i]=v(()=>n?.name??te(e)),[d,p]=v(()=>n?.tags?.join(", ")??""),[h,$]=v(n?.public===!0),[y,g]=v(()=>(n?.deliver??[]).map((w,S)=>({id:S,fields:{...Z(w)?.defaults,...w}}))),[m,b]=v({message:"",field:""}),[T,O]=v(!1),R=A(y.length),f=({type:w,template:S,defaults:M})=>g([...y,{id:R.current++,fields:{type:w,...S&&{template:S},...M}}]),E=w=>g(y.filter(S=>S.id!==w)),I=(w,S,M)=>g(y.map(N=>N.id===w?{...N,fields:{...N.fields,[S]:M}}:N));return u`<form class="saving" onSubmit=${async w=>{w.preventDefault();let S=n?.name??te(c,ve),M=y.map(({fields:N})=>pt(N));O(!0);try{await a.put(S,{query:n?.query??e,tags:Ae(d),public:h,deliver:M},n),t(s("saved.saved",{name:S}))}catch(N){let{status:L,message:V,field:le}=F(N);b({message:L===412?s(n?"saved.changed":"saved.taken",{name:S}):V,field:L===412&&!n?"name":le}),O(!1)}}}>
    <p class="asked"><span>${s("saved.query")}</span> <code dir="auto">${e}</code></p>
    <label class="line"
      >${s("saved.name")}
      <input type="text" required maxlength=${ve} value=${c} onInput=${w=>i(w.target.value)} readonly=${n!==null} aria-invalid=${m.field==="name"} aria-describedby="save-says"
    /></label>
    <label class="line">${s("saved.tags")} <input type="text" value=${d} onInput=${w=>p(w.target.value)} aria-describedby="save-tags" /></label>
    <p id="save-tags" class="hint">${s("saved.tags.help")}</p>
    <h3>${s("saved.where")}</h3>
    ${y.length===0&&u`<p class="hint">${s("saved.where.nowhere")}</p>`}
    ${y.map(({id:w,fields:S},M)=>{let N=Z(S);return u`<fieldset key=${w}>
        <legend>${N?s(N.label):String(S.type)}</legend>
        ${N?N.fields.filter(L=>L.fits?.(S)??!0).map(L=>u`<${rs}
                    field=${L}
                    id=${`receiver-${w}-${L.name}`}
                    value=${S[L.name]}
                    isWrong=${m.field===`deliver[${M}].${L.name}`}
                    onValue=${V=>I(w,L.name,V)}
                  />`):u`<p class="hint">${s("receiver.unknown")}</p>`}
        <button type="button" class="small" onClick=${()=>E(w)}>${s("receiver.remove")}</button>
      </fieldset>`})}
    ${y.length<as&&u`<div class="kinds" role="group" aria-label=${s("receiver.add")}>
      ${fe.filter(({type:w})=>r.receivers.includes(w)).map(w=>u`<button type="button" class="kind" onClick=${()=>f(w)}><b>${s("receiver.add.one",{kind:s(w.label)})}</b><span>${s(w.about)}</span></button>`)}
    </div>`}
    ${r.feeds&&u`<${mt} known=${n} setKnown=${l} name=${n?.name??te(c,ve)} isPublic=${h} setPublic=${$} />`}
    <p id="save-says" class="refused" role="alert">${m.message}</p>
    <p class="ends">
      <button type="submit" class="go" disabled=${T}>${s("saved.save")}</button>
      <button type="button" class="small" onClick=${o}>${s("saved.cancel")}</button>
    </p>
  </form>`}function rs({field:e,id:t,value:o,isWrong:a,onValue:n}){let{label:l,kind:r,required:c=!1,example:i="",help:d,make:p,choices:h=[]}=e,$=typeof o=="string"||typeof o=="number"?String(o):"",y=a?"save-says":d?`${t}-help`:void 0;if(r==="choice"){let g=h.some(([m])=>m===$)?h:[...h,[$,null]];return u`<label class="line" for=${t}>${s(l)}</label>
      <select id=${t} aria-invalid=${a} aria-describedby=${y} onChange=${m=>n(m.target.value)}>
        ${g.map(([m,b])=>u`<option value=${m} selected=${m===$}>${b?s(b):m}</option>`)}
      </select>`}return u`<label class="line" for=${t}>${s(l)}</label>
    <span class="value"
      ><input
        id=${t}
        type=${r==="email"?"text":r}
        inputmode=${r==="email"?r:void 0}
        min=${r==="number"?1:void 0}
        required=${c}
        placeholder=${i}
        spellcheck=${!1}
        autocomplete=${r==="email"?r:"off"}
        value=${$}
        aria-invalid=${a}
        aria-describedby=${y}
        onInput=${g=>n(g.target.value)}
      />${p&&u`<button type="button" class="small" onClick=${()=>n(p())}>${s(e.made??"receiver.make")}</button>`}</span
    >
    ${d&&u`<p id=${`${t}-help`} class="hint">${s(d)}</p>`}`}function j({title:e,kind:t,onClose:o,children:a}){let n=A(null);_(()=>{n.current?.showModal()},[]);let l=r=>{r.target===n.current&&n.current?.close()};return u`<dialog ref=${n} class=${`sheet ${t}`} aria-labelledby="sheet-title" onClose=${o} onClick=${l}>
    <header>
      <h2 id="sheet-title">${e}</h2>
      <button type="button" class="bare" aria-label=${s("close")} title=${s("close")} onClick=${()=>n.current?.close()}><${U} name="close" /></button>
    </header>
    <div class="body" tabindex="0">${a}</div>
  </dialog>`}var ls=5e3,is=20;function cs({query:e,onClose:t}){let{perch:o,announce:a}=k(x),{saved:n}=o,{access:l}=n.state.value,[r,c]=v(e),[i,d]=v(!1);_(()=>{n.load().then(()=>d(!0));let $=setInterval(()=>document.hidden||void n.load(),ls);return()=>clearInterval($)},[]),_(()=>{l==="open"&&o.remembersSaver()},[l]);let p=$=>{c(null),a($)},h=l==="open"&&r!==null;return u`<${j} title=${s(h?"saved.form":"saved.title")} kind="side saved" onClose=${t}>
    ${!i&&l==="unknown"&&u`<p class="notice">${s("saved.loading")}</p>`}
    ${l==="failed"&&u`<p class="notice bad" role="alert">${s("saved.failed",{reason:n.state.value.reason})}</p>`}
    ${l==="locked"&&u`<${us} />`}
    ${h?u`<${$t} key=${r} query=${r} onDone=${p} onCancel=${()=>c(null)} />`:l==="open"&&u`<${ds} onEdit=${$=>c(ee($))} onClose=${t} />`}
  <//>`}function us(){let{perch:e}=k(x),{reason:t}=e.saved.state.value;return u`<form class="token" onSubmit=${a=>{a.preventDefault();let n=String(new FormData(a.target).get("token")).trim();n&&e.authorizeSaver(n)}}>
    <p>${s("saved.locked")}</p>
    <ul class="ways">
      <li>${s("saved.locked.token")}</li>
      <li>${s("saved.locked.local")}</li>
      <li>${s("saved.locked.operator")}</li>
    </ul>
    <input type="password" name="token" aria-label=${s("token.label")} aria-describedby="saved-says" autocomplete="off" required />
    <button type="submit" class="go">${s("token.go")}</button>
    <p id="saved-says" class="refused" role="alert">${t&&s("token.refused",{reason:t})}</p>
  </form>`}function ds({onEdit:e,onClose:t}){let{perch:o}=k(x),{saved:a}=o,[n,l]=v(""),{tags:r}=a,c=r.includes(n)?n:"",i=c?a.inSet(c):a.list.value,d=()=>{o.openSet(i.map(ee)),t()};return u`
    ${r.length>0&&u`<div class="sets" role="group" aria-label=${s("saved.sets")}>
      ${["",...r].map(p=>u`<button type="button" class="small" aria-pressed=${p===c} onClick=${()=>l(p)}>${p||s("saved.all")}</button>`)}
    </div>`}
    ${c&&u`<p class="set"><button type="button" class="go" onClick=${d}>${s("saved.set.open",{n:i.length,count:i.length})}</button></p>`}
    ${i.length===0?u`<p class="notice">${s("saved.none")}</p>`:u`<ul class="kept">
          ${i.map(p=>u`<${hs} key=${p.name} search=${p} onEdit=${e} onClose=${t} />`)}
        </ul>`}
    ${a.state.value.isCut&&u`<p class="end">${s("saved.cut",{count:C.count(i.length)})}</p>`}
    ${o.columns.value.length>0&&u`<${ps} />`}
  `}function ps(){let{perch:e,announce:t}=k(x),[o,a]=v(""),n=e.columns.value;return u`<form class="keepset" onSubmit=${async r=>{r.preventDefault();let c=r.target,i=String(new FormData(c).get("set")).trim();if(i)try{await e.saved.tag([...new Set(n.map(d=>d.query))],i),c.reset(),a(""),t(s("saved.set.saved",{name:i}))}catch(d){a(F(d).message)}}}>
    <label>${s("saved.set.save",{n:n.length,count:n.length})}<input type="text" name="set" maxlength="64" pattern="[^,]+" required placeholder=${s("saved.set.name")} /></label>
    <button type="submit" class="go">${s("saved.save")}</button>
    <p class="refused" role="alert">${o}</p>
  </form>`}var vt=e=>e?C.moment(Date.parse(e)):"";function hs({search:e,onEdit:t,onClose:o}){let{perch:a,announce:n}=k(x),{saved:l}=a,[r,c]=v(""),[i,d]=v(!1),[p,h]=v(!1),[$,y]=v(null),[g,m]=v(null),{name:b,state:T,reason:O,next_try:R,deliveries:f,tags:E=[],deliver:I=[]}=e,P=ee(e),w=f.reduce((D,K)=>D+K.delivered,0),S=D=>async()=>{h(!0),c("");try{await D()}catch(K){let{status:q,message:yt}=F(K);c(q===412?s("saved.changed"):yt),q===412&&await l.load()}h(!1)},M=()=>{a.search(P,{own:!0}),o()},N=S(async()=>{await l.change(e,{paused:T!=="paused"}),n(s(T==="paused"?"saved.resumed":"saved.paused",{name:b}))}),L=S(async()=>y(await l.test(b))),V=S(async()=>m(g?null:await l.tries(b))),le=S(async()=>{await l.remove(e),n(s("saved.removed",{name:b}))}),ye=D=>$e(I[D]??{});return u`<li>
    <div class="first">
      <button type="button" class="query" dir="auto" title=${s("saved.open")} onClick=${M}>${b}</button>
      <span class=${`state ${T}`}>${s(`saved.state.${T}`)}</span>
    </div>
    <code dir="auto">${P}</code>
    <p class="facts">
      <span>${I.length===0?s("saved.nowhere"):I.map($e).join(", ")}</span>
      ${I.length>0&&u`<span>${s("saved.delivered",{n:w,count:C.count(w)})}</span>`}
      ${e.public&&u`<a href=${Q(b).atom} target="_blank" rel="noopener">${s("saved.feed")}</a>`}
      ${E.map(D=>u`<span class="tag">${D}</span>`)}
    </p>
    ${O&&u`<p class="why">${O}${R&&` \u2013 ${s("saved.next",{time:vt(R)})}`}</p>`}
    <div class="acts">
      <button type="button" class="small" onClick=${M}>${s("saved.column")}</button>
      ${I.length>0&&u`<button type="button" class="small" disabled=${p} onClick=${N}>${s(T==="paused"?"column.resume":"column.pause")}</button>
        <button type="button" class="small" disabled=${p} onClick=${L}>${s("saved.test")}</button>
        <button type="button" class="small" disabled=${p} aria-expanded=${g!==null} onClick=${V}>${s("saved.tries")}</button>`}
      <button type="button" class="small" onClick=${()=>t(e)}>${s("saved.edit")}</button>
      <button type="button" class=${`small ${i?"bad":""}`} disabled=${p} onBlur=${()=>d(!1)} onClick=${i?le:()=>d(!0)}>
        ${s(i?"saved.remove.sure":"saved.remove")}
      </button>
    </div>
    <div role="status">
      ${r&&u`<p class="refused">${r}</p>`}
      ${$?.map(({deliver:D,status:K,error:q})=>u`<p class=${q?"refused":"fine"}>${ye(D)}: ${q?s("saved.test.failed",{reason:q}):s("saved.test.fine",{status:K??""})}</p>`)}
    </div>
    ${g&&(g.length===0?u`<p class="facts">${s("saved.tries.none")}</p>`:u`<${ms} tries=${g} place=${ye} />`)}
  </li>`}function ms({tries:e,place:t}){return u`<table class="tries">
    <thead>
      <tr><th scope="col">${s("saved.tries.time")}</th><th scope="col">${s("saved.tries.to")}</th><th scope="col">${s("saved.tries.events")}</th><th scope="col">${s("saved.tries.answer")}</th></tr>
    </thead>
    <tbody>
      ${e.slice(0,is).map(({at:o,deliver:a,events:n,status:l,error:r})=>u`<tr class=${r?"refused":""}><td title=${C.full(Date.parse(o))}>${vt(o)}</td><td>${t(a)}</td><td>${C.count(n)}</td><td>${r??l}</td></tr>`)}
    </tbody>
  </table>`}var fs=[["sources.files","sources.files.text","perch ingest my-archive.zip"],["sources.bluesky","sources.bluesky.text","perch serve --source bluesky"],["sources.mastodon","sources.mastodon.text",`perch serve --set 'source=[{type="mastodon",instance="mastodon.social",token_file="token"}]'`],["sources.http","sources.http.text",`curl --data-binary @tweets.ndjson ${location.origin}/api/tweets`]],$s=({onClose:e})=>u`<${j} title=${s("sources.title")} kind="side sources" onClose=${e}>
    <p>${s("sources.text")}</p>
    ${fs.map(([t,o,a])=>u`<${vs} key=${t} title=${s(t)} text=${s(o)} command=${a} />`)}
  <//>`;function vs({title:e,text:t,command:o}){let{announce:a}=k(x),[n,l]=v("tweet.copy"),r=A(null),c=async()=>{let i=await B(o,r.current)?"tweet.copied":"tweet.copy.failed";l(i),a(s(i))};return u`<section>
    <h3>${e}</h3>
    <p>${t}</p>
    <div class="command">
      <code ref=${r} dir="ltr">${o}</code>
      <button type="button" class="small" aria-label=${`${s(n)}: ${e}`} onClick=${c}>${s(n)}</button>
    </div>
  </section>`}var ys=[["help.words",[["java job","help.and"],["java (job OR jobs) -unpaid","help.or"],['"good morning"',"help.phrase"],['"good day"~3',"help.near"],["*","help.everything"]]],["help.entities",[["#rust","help.hashtag"],["@user","help.mention"],["from:user","help.from"],["to:user","help.to"],["url:github.com","help.url"]]],["help.attributes",[["lang:en","help.lang"],["lang:IN [en de]","help.in"],["has:media","help.media"],["-is:retweet","help.noretweet"],["is:reply","help.reply"]]],["help.ranges",[["followers:>=1000","help.followers"],["retweets:[10 TO *]","help.retweets"],["since:2024-01-01","help.since"],["within:[-0.5 51.3 0.3 51.7]","help.within"],["near:[13.4 52.5 5km]","help.near.place"]]],["help.patterns",[["rust*","help.prefix"],["colo?r","help.wildcard"],["color~1","help.fuzzy"],["/joh?n(ath[oa]n)/","help.regex"]]]],gs=[[["/"],"keys.search"],[["Shift","Enter"],"keys.add"],[["j","k"],"keys.jk"],[["Enter"],"keys.inside"],[["1","\u2026","9"],"keys.number"],[["[","]"],"keys.columns"],[["n"],"keys.new"],[["x"],"keys.close"],[["z"],"keys.undo"],[["t"],"keys.top"],[["p"],"keys.pause"],[["a"],"keys.analysis"],[["?"],"keys.help"],[["Esc"],"keys.escape"],[["Shift","click"],"keys.shift"]];function bs({onClose:e,onTry:t}){let{perch:o}=k(x);return u`<${j} title=${s("help.title")} kind="side" onClose=${e}>
    <p>${s("help.words.text")}</p>
    ${ys.map(([a,n])=>u`<h3>${s(a)}</h3>
        <ul class="examples">
          ${n.map(([l,r])=>u`<li>
              <button type="button" class="example" aria-label=${s("help.try",{query:l})} onClick=${()=>t(l)}><code>${l}</code></button>
              <span>${s(r)}</span>
            </li>`)}
        </ul>`)}
    <h3>${s("help.keys")}</h3>
    <ul class="keys">
      ${gs.map(([a,n])=>u`<li><span>${a.map(l=>u`<kbd>${l}</kbd> `)}</span><span>${s(n)}</span></li>`)}
    </ul>
    <label class="row language"
      >${s("language.title")}
      <select onChange=${a=>o.speak(a.target.value)}>
        ${Object.entries(Me).map(([a,n])=>u`<option value=${a} lang=${a} selected=${a===W}>${n}</option>`)}
      </select></label
    >
  <//>`}function ws({tweet:e,onClose:t}){let{announce:o}=k(x),[a,n]=v("tweet.copy"),l=A(null),r=he(e.raw,2),c=async()=>{let i=await B(r,l.current)?"tweet.copied":"tweet.copy.failed";n(i),o(s(i))};return u`<${j} title=${s("tweet.json.title",{id:e.id})} kind="middle" onClose=${t}>
    <button type="button" class="small copy" onClick=${c}>${s(a)}</button>
    <pre ref=${l} class="json" dir="ltr">${r}</pre>
  <//>`}function ks({column:e,term:t,onClose:o}){let{perch:a,searchTerm:n}=k(x),l=r=>()=>{o(),r()};return u`<${j} title=${t} kind="middle narrow" onClose=${o}>
    <div class="choices">
      <button type="button" class="kind" onClick=${l(()=>n(e,t,!1))}>${s("choice.search",{term:t})}</button>
      <button type="button" class="kind" onClick=${l(()=>n(e,t,!0))}>${s("choice.add")}</button>
      <button type="button" class="kind" onClick=${l(()=>n(e,`-${t}`,!0))}>${s("choice.without")}</button>
      <button type="button" class="kind" onClick=${l(()=>a.search(t,{own:!0}))}>${s("search.add")}</button>
    </div>
  <//>`}function xs({onClose:e}){let{perch:t}=k(x),{reason:o}=t.connection$.value,a=n=>{n.preventDefault();let l=String(new FormData(n.target).get("token")).trim();l&&t.authorize(l)};return u`<${j} title=${s("token.title")} kind="middle narrow" onClose=${e}>
    <form class="token" onSubmit=${a}>
      <p id="token-text">${s("token.text")}</p>
      <input type="password" name="token" aria-label=${s("token.label")} aria-describedby="token-text token-says" autocomplete="off" autofocus required />
      <button type="submit" class="go">${s("token.go")}</button>
      <p id="token-says" class="refused" role="alert">${o&&s("token.refused",{reason:o})}</p>
    </form>
  <//>`}Le(Ie);export{Rt as Analysis,ks as Choice,Xt as ColumnMenu,bs as Help,ws as Json,cs as Saved,$s as Sources,xs as Token};
