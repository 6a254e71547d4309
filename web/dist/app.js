import{$ as fe,B as Te,C as Ee,D as tt,E as Ce,F as nt,G as st,H as ot,J as at,N as rt,P as it,Q as Me,R as Ae,S as De,U as lt,V as ct,W as de,Y as l,Z as me,_ as ut,a as xe,aa as Oe,b as le,ba as $e,c as L,ca as dt,d as ce,da as g,e as G,ea as y,f as We,fa as ee,g as Ge,ga as D,ha as j,i as Ye,ia as O,j as Je,ja as M,k as Qe,ka as i,la as S,ma as Y,na as J,oa as mt,p as Xe,q as Ze,qa as ft,r as ue,s as et,sa as q,t as Se,z as _e}from"./chunk.js";function $t(e){if(!e?.socket)return null;let{socket:t,frames:n}=e;return e.socket=null,t.onmessage=null,t.readyState>WebSocket.OPEN?null:(queueMicrotask(()=>n.splice(0).forEach(s=>t.onmessage?.({data:s}))),t)}function pt(e,t){let n=e?.tweets.get(t);return e?.tweets.delete(t),n??Promise.resolve([])}var en=500,tn=3,nn=65536,sn=1e4,ht=2e3,qe=new TextEncoder,pe=class{#t=new Map;#e=new Map;#s=!1;constructor(t){this.connection=t}known(t){let n=t.slice(0,ht);if(n==="")return[];let s=this.#t.get(n);return s?(this.#t.delete(n),this.#t.set(n,s),s):null}async load(t){let s=[...new Set(t)].filter(o=>this.known(o)===null).map(o=>o.slice(0,ht)).map(o=>new Promise(a=>{let r=this.#e.get(o)??[];r.push(()=>a(void 0)),this.#e.set(o,r)}));s.length>0&&this.#n(),await Promise.all(s)}async#n(){if(!this.#s){for(this.#s=!0;this.#e.size>0;){let t=this.#o();try{let{terms:s}=await this.connection.request("cmd/analyze",{texts:t});t.forEach((o,a)=>this.#a(o,s[a]??[]))}catch(s){if(s?.code===We){await this.connection.whenOpen();continue}}let n=t.flatMap(s=>this.#e.get(s)??[]);for(let s of t)this.#e.delete(s);for(let s of n)s()}this.#s=!1}}#o(){let t=(this.connection.hello?.limits?.frame_bytes??nn)/tn,n=[];for(let s of this.#e.keys()){if(t-=qe.encode(s).length,n.length>0&&(t<0||n.length>=en))break;n.push(s)}return n}#a(t,n){let s=on(t);this.#t.set(t,n.map(([o,a,r])=>({term:o,start:s(a),end:s(r)}))),this.#t.size>sn&&this.#t.delete(this.#t.keys().next().value)}};function on(e){let t=qe.encode(e).length;if(t===e.length)return a=>a;let n=new Uint32Array(t+1),s=0,o=0;for(let a of e)n[s]=o,s+=qe.encode(a).length,o+=a.length;return n[s]=o,a=>n[a]??e.length}var he=class{#t=new Set;#e=!1;#s=0;ask(t){if(this.#t.add(t),this.#e)return;this.#e=!0;let n=this.#s-performance.now();document.hidden?setTimeout(this.#n,500):n>16?setTimeout(()=>requestAnimationFrame(this.#n),n):requestAnimationFrame(this.#n)}#n=()=>{this.#e=!1;let t=performance.now(),[n]=this.#t;n&&(this.#t.delete(n),n(),setTimeout(()=>{let s=performance.now();this.#s=s+(s-t)*2;let[o]=this.#t;o&&this.ask(o)}))}};function Ie(e){if(e.length===0)return null;let t=e.map(a=>a.replace(/[.*+?^${}()|[\]\\]/g,"\\$&")),n=new RegExp(`(?<![\\p{L}\\p{N}_])(?:${t.join("|")})(?![\\p{L}\\p{N}_])`,"iu"),s=new WeakMap,o=a=>n.test(`${a.text} @${a.screen} ${a.original?.text??""} @${a.original?.screen??""} ${a.quoted?.text??""}`);return a=>{let r=s.get(a);return r===void 0&&s.set(a,r=o(a)),r}}var vt=4,rn=2e4,ve="perch.token",gt="perch.token.saver",bt=1e4,ln=60,cn=5e3,ge=class{columns=L([]);active=L("");connection$;withheld=L({count:0,at:0});closed=L(null);users=L(0);tweets=L(0);second=L(Date.now());minute=L(Date.now());memory;frames=new he;#t=1;#e=new Set;#s=0;#n;#o=new Map;constructor({open:t,storage:n,session:s,newest:o}){this.storage=n,this.session=s,this.newest=o,this.memory=L(Ee(n)),this.#n=Ie(this.memory.value.muted),this.connection=new Ge({open:t,token:s.getItem(ve)??"",onstatus:a=>{a.state==="locked"&&s.removeItem(ve);let r=a.state==="open"&&this.connection$.value.state!=="open";this.connection$.value=a,r&&(this.memory.value.keeps||this.token)&&this.saved.load()},onevent:(a,r)=>{a==="stats/users-count"?this.users.value=Number(r)||0:a==="stats/total-tweet-count"?this.tweets.value=Number(r)||0:a==="stream/limited"&&this.#a(Number(r?.count)||0)}}),this.saved=new rt({token:()=>s.getItem(gt)??this.token}),this.analyzer=new pe(this.connection),this.connection$=L(this.connection.status)}start(){this.connection.connect(),this.go(Ae(location.search)),addEventListener("popstate",()=>this.go(Ae(location.search))),addEventListener("online",()=>this.connection.status.state==="waiting"&&this.connection.connect()),setInterval(()=>this.second.value=Date.now(),1e3),setInterval(()=>this.minute.value=Date.now(),3e4),document.addEventListener("visibilitychange",()=>this.#m()),addEventListener("storage",()=>{this.memory.value=Ee(this.storage),this.#l()})}get token(){return this.session.getItem(ve)??""}authorize(t){this.session.setItem(ve,t),this.connection.authorize(t)}authorizeSaver(t){this.session.setItem(gt,t),this.saved.load()}remembersSaver(){this.memory.value.keeps||this.remember({...this.memory.value,keeps:!0})}#a(t){let n=Date.now(),{count:s,at:o}=this.withheld.value;this.withheld.value={count:(n-o<bt?s:0)+t,at:n}}get withheldNow(){let{count:t,at:n}=this.withheld.value;return Math.max(this.second.value,n)-n<bt?t:0}get activeColumn(){return this.columns.value.find(t=>t.name===this.active.value)}go(t){let n=[...this.columns.value],s=t.map(({query:o,order:a})=>{let r=n.findIndex(u=>u.query===o),[c]=r<0?[]:n.splice(r,1);return c&&c.order.value!==a&&c.setOrder(a),c??this.#c(o,a)});for(let o of n)o.end();this.columns.value=s,s.some(o=>o.name===this.active.value)||(this.active.value=s[0]?.name??""),this.#r()}tile(t){let n=new _e({name:`t${this.#t++}`,query:t,settings:{history:1,cap:ln},connection:this.connection,frame:s=>this.frames.ask(s),isSketched:!0});return n.start(),n}#c(t,n){let s=new _e({name:`c${this.#t++}`,query:t,order:n,settings:this.memory.value.settings[t],isSketched:!0,connection:this.connection,frame:o=>this.frames.ask(o),onpush:(o,a)=>this.#d(o,a)});return s.feed.muted=this.#n,s.version.subscribe(()=>this.#u(s)),s.start(),this.newest(t).then(o=>s.preview(o)),s}search(t,{own:n=!1}={}){let s=t.trim();if(!s)return;this.remember(Ce(this.memory.value,s));let o=this.columns.value,a=o.findIndex(m=>m.name===this.active.value),r=o.map(Q),c=n||a<0;if(c&&r.length>=Me)return;let u=c?r.length:a;r[u]?.query!==s&&(r[u]={query:s,order:r[u]?.order??"latest"},this.visit(r),this.active.value=this.columns.value[u]?.name??this.active.value)}openSet(t){this.visit(t.slice(0,Me).map(n=>({query:n,order:"latest"})))}visit(t){history.pushState(null,"",De(t)||location.pathname),this.go(t)}change(t,n){let s=this.columns.value.map(Q),o=this.columns.value.indexOf(t),a=s[o];!a||a.query===n||(s[o]={...a,query:n},this.remember(Te(Ce(this.memory.value,n),n,t.settings.value)),this.visit(s),this.active.value=this.columns.value[o]?.name??this.active.value)}undo(){let t=this.closed.value;if(!t)return;let n=this.columns.value.map(Q);n.splice(t.at,0,t.place),this.closed.value=null,this.visit(n),this.active.value=this.columns.value[t.at]?.name??this.active.value}close(t){this.closed.value={place:Q(t),at:this.columns.value.indexOf(t)},this.visit(this.columns.value.filter(n=>n!==t).map(Q))}move(t,n){let s=this.columns.value.filter(o=>o!==t);s.splice(Math.max(0,Math.min(n,s.length)),0,t),this.columns.value=s,this.#i()}setOrder(t,n){t.setOrder(n),this.#i()}configure(t,n){t.configure(n),this.remember(Te(this.memory.value,t.query,t.settings.value))}#i(){history.replaceState(null,"",De(this.columns.value.map(Q))||location.pathname)}remember(t){let{muted:n}=this.memory.value;this.memory.value=t,tt(this.storage,t),n!==t.muted&&this.#l()}speak(t){this.remember({...this.memory.value,language:t}),location.reload()}#l(){this.#n=Ie(this.memory.value.muted);for(let t of this.columns.value)t.feed.muted=this.#n,t.changed()}#u(t){if(!(this.#s>=vt||this.connection.status.state!=="open"))for(let n of t.feed.missing(60,s=>this.#e.has(s)).slice(-vt))this.#e.add(n),this.#e.size>rn&&this.#e.delete(this.#e.values().next().value),this.#s++,this.connection.request("cmd/missing",{id_str:n}).then(s=>{let o=ue(s);for(let a of o?this.columns.value:[])a.feed.found(o),a.changed()}).catch(s=>{s?.code!=="not_found"&&this.#e.delete(n)}).finally(()=>{this.#s--,this.connection.status.state==="open"&&t.changed()})}#d(t,n){if(this.#n?.(n))return;let s=Date.now();if(t.settings.value.sound&&it(s),!!document.hidden&&(t.settings.value.title&&(t.unseen++,this.frames.ask(this.#r)),!(!t.settings.value.notify||s-(this.#o.get(t.name)??0)<cn))){this.#o.set(t.name,s);try{new Notification(t.query,{body:`${n.name}: ${n.text}`.slice(0,300),tag:t.name})}catch{this.configure(t,{notify:!1})}}}#m(){if(!document.hidden){for(let t of this.columns.value)t.unseen=0;this.#r()}}#r=()=>{let t=this.columns.value,n=t.reduce((o,a)=>o+a.unseen,0),s=t.map(o=>o.query).join(" \xB7 ");document.title=`${n>0?`(${n}) `:""}${s?`${s} \u2013 `:""}perch`}},Q=e=>({query:e.query,order:e.order.value});/*! @preact/signals 2.11.4, MIT, see LICENSES.txt */var un=typeof window<"u"&&!!window.__PREACT_SIGNALS_DEVTOOLS__,yt,ye,be;var wt=[];G(function(){yt=this.N})();function X(e,t){me[e]=t.bind(null,me[e]||(()=>{}))}function te(e){if(be){let t=be;be=void 0,t()}be=e&&e.S()}function kt({data:e}){let t=mn(e);t.name="ReactiveDom",t.value=e;let[n,s]=j(()=>{let o=this,a=this.__v;for(;a=a.__;)if(a.__c){a.__c.__$f|=4;break}let r=ce(()=>{let d=t.value.value;return d===0?0:d===!0?"":d||""}),c=ce(()=>!Array.isArray(r.value)&&!ut(r.value)),u=G(function(){if(this.N=xt,c.value){let d=r.value;o.__v&&o.__v.__e&&o.__v.__e.nodeType===3&&(o.__v.__e.data=d)}}),m=this.__$u.d;return this.__$u.d=function(){u(),m.call(this)},[c,r]},[]);return n.value?s.peek():s.value}kt.displayName="ReactiveTextNode";Object.defineProperties(le.prototype,{constructor:{configurable:!0,value:fe(Oe,null).constructor},type:{configurable:!0,value:kt},props:{configurable:!0,get(){let e=this;return{data:{get value(){return e.value}}}}},__b:{configurable:!0,value:1}});X("__b",(e,t)=>{if(te(),ye=void 0,typeof t.type=="string"){let n,s=t.props;for(let o in s){if(o==="children")continue;let a=s[o];a instanceof le&&(n||(t.__np=n={}),n[o]=a,s[o]=a.peek())}}e(t)});X("__r",(e,t)=>{if(e(t),t.type!==Oe){te();let n,s=t.__c;s&&(s.__$f&=-2,n=s.__$u,n===void 0&&(s.__$u=n=(function(o,a){let r;return G(function(){r=this},{name:a}),r.c=o,r})((function(o){return function(){var a;un&&((a=this.y)==null||a.call(this)),o.__$f|=1,o.setState({})}})(s),typeof t.type=="function"?t.type.displayName||t.type.name:""))),ye=s,te(n)}});X("__e",(e,t,n,s)=>{te(),ye=void 0,e(t,n,s)});X("diffed",(e,t)=>{te(),ye=void 0;let n;if(typeof t.type=="string"&&(n=t.__e)){let s=t.__np,o=t.props,a=n.U;if(a)for(let r in a){let c=a[r];c===void 0||s&&r in s||(c.d(),a[r]=void 0)}if(s){a||(a={},n.U=a);for(let r in s){let c=a[r],u=s[r];c===void 0?(c=dn(n,r,u,o),a[r]=c):c.o(u,o)}}}e(t)});function dn(e,t,n,s){let o=t in e&&e.ownerSVGElement===void 0,a=L(n);return{o:(r,c)=>{a.value=r,s=c},d:G(function(){this.N=xt;let r=a.value.value;s[t]!==r&&(s[t]=r,o?e[t]=r:r!=null&&(r!==!1||t[4]==="-")?e.setAttribute(t,r):e.removeAttribute(t))})}}X("unmount",(e,t)=>{if(typeof t.type=="string"){let n=t.__e;if(n){let o=n.U;if(o){n.U=void 0;for(let a in o){let r=o[a];r&&r.d()}}}let s=t.__np;if(s){let o=t.props;for(let a in s)o[a]=s[a]}t.__np=void 0}else{let n=t.__c;if(n){n.__$f|=8;let s=n.__$u;s&&(n.__$u=void 0,s.d())}}e(t)});X("__h",(e,t,n,s)=>{s<3&&(t.__$f|=2),e(t,n,s)});$e.prototype.shouldComponentUpdate=function(e,t){if(this.__R)return!0;let n=this.__$u,s=n&&n.s!==void 0;for(let o in t)return!0;if(this.__f||typeof this.u=="boolean"&&this.u===!0){let o=2&this.__$f;if(!(s||o||4&this.__$f)||1&this.__$f)return!0}else if(!(s||4&this.__$f)||3&this.__$f)return!0;for(let o in e)if(o!=="__source"&&e[o]!==this.props[o])return!0;for(let o in this.props)if(!(o in e))return!0;return!1};function mn(e,t){return j(()=>L(e,t),[])}var fn=e=>{queueMicrotask(()=>{queueMicrotask(e)})};function $n(){xe(()=>{let e;for(;e=wt.shift();)yt.call(e)})}function xt(){wt.push(this)===1&&(me.requestAnimationFrame||fn)($n)}var ne=null,pn=e=>new Promise((t,n)=>{let s=Object.assign(document.createElement("link"),{rel:"stylesheet",href:e,onload:()=>t()});s.onerror=()=>{s.remove(),n(new Error(e))},document.head.append(s)}),Le=null;async function Ne(){Le??=Promise.all([import("./later.js"),pn("later.css")]).then(([e])=>e);try{ne=await Le}catch(e){throw Le=null,e}return ne}var z=e=>function(n){let{announce:s}=O(M),[o,a]=g("");return y(()=>{ne||Ne().then(()=>a("loaded"),()=>{a("failed"),s(l("later.failed"))})},[]),ne?i`<${ne[e]} ...${n} />`:o==="failed"?i`<p class="banner bad failed" role="alert">${l("later.failed")} <button type="button" class="small" onClick=${n.onClose}>${l("close")}</button></p>`:null};var hn=30,St=(e,t,n,s="")=>fetch(`api/explain?q=${encodeURIComponent(e)}${s}`,{signal:t,headers:n?{authorization:`Bearer ${n}`}:void 0});async function Re(e,t,n){let s=await St(e,t,n),o=await s.json();if(s.ok){let c=(Array.isArray(o.warnings)?o.warnings:[]).map(u=>String(u?.message??""));return{query:e,canonical:String(o.canonical??""),words:String(o.words??""),warnings:c}}if(s.status!==400)throw new Error(s.statusText);let{message:a,at:r}=o.error??{};return{query:e,message:String(a??s.statusText),column:r?.column,length:r?.length}}async function _t(e,t){let n=await e.request("cmd/query",{query:t,n:hn}),s=(Array.isArray(n?.result)?n.result:[]).flatMap(o=>ue(o)??[]);return{total:Number(n?.total)||0,rate:Qe(s.map(o=>o.time),Date.now())}}async function Tt(e,t,n){let s=await St(e,t,n,"&price=true"),{candidates:o,tweets:a}=(await s.json()).price??{};return{share:a>0?o/a:null}}function Et(e,t,n){let s=[...e],o=Math.max(0,Math.min(t-1,s.length));return[s.slice(0,o).join(""),s.slice(o,o+n).join(""),s.slice(o+n).join("")]}var Ct=(e,t)=>/[^\s()[\]{}|]$/u.test(e.slice(0,t));async function Mt(e,t,n,s){let o=new URLSearchParams({q:e,at:String(t),n:String(8)}),a=await fetch(`api/suggest?${o}`,{signal:n,headers:s?{authorization:`Bearer ${s}`}:void 0});if(!a.ok)throw new Error(a.statusText);let r=await a.json(),c=(Array.isArray(r.items)?r.items:[]).filter(d=>typeof d?.text=="string"),u={query:e,caret:t,start:Number(r.start)||0,end:Number(r.end)||0,items:c};return c.length===1&&Ke(u,c[0]).query.trim()===e.trim()?{...u,items:[]}:u}function Ke({query:e,start:t,end:n},s){let o=e.slice(n),a=s.text.endsWith(":")||/^[\s)\]}",]/u.test(o)?"":" ",r=e.slice(0,t)+s.text+a;return{query:r+o,caret:r.length}}var vn=60,Pe="search-completions",At=e=>`${Pe}-${e}`,Dt=(e,t)=>({role:"combobox","aria-autocomplete":"list","aria-expanded":e?"true":"false","aria-controls":Pe,"aria-activedescendant":e&&t>=0?At(t):void 0});function Ot({query:e,caret:t,isOpen:n,token:s}){let[o,a]=g(null),r=n&&Ct(e,t);return y(()=>{if(!r){a(null);return}let c=new AbortController,u=setTimeout(async()=>{try{let m=await Mt(e,t,c.signal,s);c.signal.aborted||a(m)}catch{c.signal.aborted||a(null)}},vn);return()=>{clearTimeout(u),c.abort()}},[e,t,r,s]),r&&o?.items.length?o:null}function qt({completions:e,active:t,accept:n}){return i`<ul id=${Pe} class="completions" role="listbox" aria-label=${l("search.completions")} hidden=${!e}>
    ${e?.items.map((s,o)=>i`<li
          id=${At(o)}
          role="option"
          aria-selected=${o===t}
          class=${o===t?"active":""}
          onMouseDown=${a=>a.preventDefault()}
          onClick=${()=>n(s)}
        >
          <bdi>${s.text}</bdi>
          <span class="help">${s.help}</span>
          ${s.count!==void 0&&i`<span class="count">${S.count(s.count)}</span>`}
        </li>`)}
  </ul>`}var gn=400,bn=8,yn=200;function It({text:e,setText:t,field:n,isNew:s,endNew:o}){let{perch:a}=O(M),[r,c]=g(!1),[u,m]=g(null),[d,w]=g(0),[k,T]=g(-1),E=D(null),v=e.trim(),f=u?.query===v&&u.message!==void 0;y(()=>{if(!v||!r)return;let $=new AbortController,A=setTimeout(async()=>{try{let h=await Re(v,$.signal,a.token);if($.signal.aborted||(m(h),h.message!==void 0))return;let[C,R]=await Promise.all([_t(a.connection,v),Tt(v,$.signal,a.token).catch(()=>({}))]);$.signal.aborted||m({...h,...C,...R})}catch{}},yn);return()=>{clearTimeout(A),$.abort()}},[v,r]);let[_,p]=g(!0),b=Ot({query:e,caret:d,isOpen:r&&!_,token:a.token}),K=b?.query===e&&b.caret===d,I=K?b.items[k]:void 0,H=$=>{t($.value),w($.selectionStart??$.value.length),T(-1),p(!1),c(!0)},P=$=>{let A=$.selectionStart??0;A!==d&&(w(A),T(-1))},x=$=>{let A=n.current;if(!K||!A)return;let h=Ke(b,$);A.value=h.query,A.focus(),A.setSelectionRange(h.caret,h.caret),H(A)},N=($,A)=>{t($),c(!1),a.search($,{own:A||s}),n.current?.blur()},F=async $=>{if($.preventDefault(),!v)return;let A=s||$.submitter?.dataset.own!==void 0;await U(A)},U=async $=>{if(!f){if(u?.query!==v){let A=new AbortController,h=new Promise(R=>setTimeout(()=>R(null),gn)),C=await Promise.race([Re(v,A.signal,a.token).catch(()=>null),h]);if(A.abort(),C?.message!==void 0)return m(C)}N(v,$)}},B=$=>{if($.isComposing)return;let A=$.target===n.current,h=!$.shiftKey&&!$.altKey&&!$.ctrlKey&&!$.metaKey;if(A&&h&&I&&($.key==="Enter"||$.key==="Tab"))$.preventDefault(),x(I);else if(A&&h&&K&&($.key==="ArrowDown"||$.key==="ArrowUp")){$.preventDefault();let C=b.items.length+1,R=$.key==="ArrowDown"?1:-1;T((k+1+R+C)%C-1)}else if($.key==="Enter"&&$.shiftKey)$.preventDefault(),U(!0);else if($.key==="Escape"&&b)$.preventDefault(),T(-1),p(!0);else if($.key==="Escape"&&r)$.preventDefault(),c(!1);else if($.key==="ArrowDown"||$.key==="ArrowUp"){let C=[...E.current?.querySelectorAll("input[name=q], .suggestion")],R=C.indexOf(document.activeElement),Ve=C[R+($.key==="ArrowDown"?1:-1)];if(R<0||!Ve)return;$.preventDefault(),Ve.focus()}},W=$=>{E.current?.contains($.relatedTarget)||(c(!1),s&&o())},V=a.memory.value.saved.some($=>$.query===v);return i`<form class="search" role="search" ref=${E} onSubmit=${F} onKeyDown=${B} onFocusOut=${W}>
    <div class=${`field ${f?"wrong":""}`}>
      <${q} name="search" />
      <input
        ref=${n}
        type="text"
        inputmode="search"
        name="q"
        dir="auto"
        autocomplete="off"
        autocapitalize="off"
        spellcheck=${!1}
        maxlength="16384"
        enterkeyhint="search"
        aria-label=${l("search.label")}
        ...${Dt(b,I?k:-1)}
        aria-describedby="search-says"
        aria-invalid=${f}
        placeholder=${l(s?"search.new":"search.placeholder")}
        value=${e}
        onInput=${$=>H($.target)}
        onKeyUp=${$=>P($.target)}
        onFocus=${()=>{c(!0),p(!0)}}
        onClick=${$=>{c(!0),P($.target)}}
      />
      ${v&&i`<button
        type="button"
        class=${`bare star ${V?"on":""}`}
        aria-pressed=${V}
        aria-label=${l("search.save")}
        title=${l(V?"search.unsave":"search.save")}
        onClick=${()=>a.remember(nt(a.memory.value,v))}
      >
        <${q} name=${V?"starred":"star"} />
      </button>`}
      <button type="submit" class="go">${l("search.go")}</button>
      ${a.columns.value.length>0&&i`<button type="submit" class="bare own" data-own aria-label=${l("search.add")} title=${`${l("search.add")} (${l("search.add.hint")})`}><${q} name="plus" /></button>`}
    </div>
    <div class="below" hidden=${!r}>
      <${qt} completions=${b} active=${I?k:-1} accept=${x} />
      <div id="search-says" aria-live="polite">${v&&i`<${wn} query=${v} checked=${u} />`}</div>
      ${r&&i`<${kn} query=${v} typed=${_?"":v} go=${N} />`}
    </div>
  </form>`}function Fe({query:e,message:t,column:n,length:s=0}){let[o,a,r]=n?Et(e,n,s):[e,"",""];return i`<div class="mistake">
    ${n!==void 0&&i`<pre dir="ltr" aria-hidden="true">${o}<span class=${a?"wrong":"wrong gap"}>${a||"\u2038"}</span>${r}</pre>`}
    <p>${n?l("search.wrong",{column:n,message:t}):t}</p>
  </div>`}function wn({query:e,checked:t}){if(!t||t.query!==e)return null;if(t.message!==void 0)return i`<${Fe} query=${e} message=${t.message} column=${t.column} length=${t.length} />`;let n=t.rate?Je(t.rate):null;return i`<div class="understood">
    ${t.canonical&&t.canonical!==e&&i`<p title=${t.words}>${l("search.understood")} <code>${t.canonical}</code></p>`}
    ${t.warnings?.map(s=>i`<p class="warning">${s}</p>`)}
    ${t.total!==void 0&&i`<p class="estimate">
      ${t.total>0?l("search.total",{n:t.total,count:S.count(t.total)}):l("search.none")}${n&&i`, <strong>${l("search.rate",{n:S.decimal(n.n),unit:l(`unit.${n.unit}`)})}</strong>`}${typeof t.share=="number"&&i`, <span title=${l("search.price.title")}>${l("search.price",{share:S.percent(t.share)})}</span>`}
    </p>`}
  </div>`}function kn({query:e,typed:t,go:n}){let{perch:s,announce:o}=O(M),{recent:a,saved:r}=s.memory.value,[c,u]=g(""),m=f=>f.toLowerCase().includes(t.toLowerCase()),d=s.saved.list.value.map(f=>({query:at(f),name:f.name})),w=[...d,...r.filter(f=>!d.some(_=>_.query===f.query))],k=w.filter(f=>f.query!==e&&(m(f.query)||m(f.name))).slice(0,bn),T=a.filter(f=>f!==e&&m(f)&&!w.some(_=>_.query===f)).slice(0,6),E=async f=>{let _=f.target.files[0];if(!_)return;let p;try{let{memory:b,added:K}=ot(s.memory.value,await _.text());s.remember(b),p=l("search.imported",{n:K})}catch{p=l("search.import.wrong")}u(p),o(p)},v=(f,_)=>i`<li>
      <button type="button" class="suggestion" dir="auto" onClick=${p=>n(f,p.shiftKey)}>${_}</button>
    </li>`;return i`<div class="remembered">
    ${k.length>0&&i`<h3>${l("search.saved")}</h3><ul>${k.map(f=>v(f.query,f.name))}</ul>`}
    ${T.length>0&&i`<h3>${l("search.recent")}</h3><ul>${T.map(f=>v(f,f))}</ul>`}
    ${!e&&i`<div class="keep">
      ${r.length+a.length>0&&i`<button type="button" class="small" onClick=${()=>mt("perch-searches.json",st(s.memory.value),"application/json")}>${l("search.export")}</button>`}
      <label class="small file" tabindex="-1">${l("search.import")}<input type="file" accept=".json,application/json" onChange=${E} /></label>
      ${a.length>0&&i`<button type="button" class="small" onClick=${()=>s.remember({...s.memory.value,recent:[]})}>${l("search.forget")}</button>`}
      <span>${c}</span>
    </div>`}
  </div>`}var Lt=100,se=20;function we({bars:e}){if(e.length<2)return null;let t=Math.max(1,...e),n=Lt/e.length,s=e.map((o,a)=>`V${(se-o/t*se).toFixed(1)}H${((a+1)*n).toFixed(1)}`);return i`<svg class="spark" viewBox=${`0 0 ${Lt} ${se}`} preserveAspectRatio="none" aria-hidden="true"><path d=${`M0 ${se}${s.join("")}V${se}Z`} /></svg>`}function Nt(e,t){return class extends $e{shouldComponentUpdate(n){return!t(this.props,n)}render(){return fe(e,this.props)}}}var xn=/https?:\/\/[^\s<>"“”]+|[#＃][\p{L}\p{M}\p{N}_]+|[@＠]\w{1,20}|\$[A-Za-z]{1,6}(?![\w])/gu,Sn=/[\p{L}\p{M}\p{N}_]/u,_n=/[.,:;!?…'’)\]]+$/u;function Kt(e,t,n=null){let s=new Map(t.map(c=>[c.url,c])),o=[],a={list:n?.spans??[],next:0},r=0;for(let c of e.matchAll(xn)){let u=c[0],m=u[0]??"";if(m!=="h"&&c.index>0&&Sn.test(e[c.index-1]??""))continue;let d=m==="h"?Tn(u,s):En(u,c.index,n);d&&(m==="h"&&(u=u.slice(0,d.length)),Rt(e,r,c.index,a,o),o.push(d.segment),r=c.index+u.length)}return Rt(e,r,e.length,a,o),o}function Tn(e,t){let n=e.replace(_n,""),s=t.get(e)??t.get(n);if(s)return{segment:{kind:"link",text:s.label,href:s.href},length:s.url.length};let o=Xe(n);if(!o)return null;let a=n.replace(/^https?:\/\/(www\.)?/,"");return{segment:{kind:"link",text:a.length>40?`${a.slice(0,39)}\u2026`:a,href:o},length:n.length}}function En(e,t,n){let[s,o]=[e[0]??"",e.slice(1)],[a,r]=s==="$"?["cashtag",`$${o}`]:s==="@"||s==="\uFF20"?["mention",`@${o}`]:["hashtag",`#${o}`],c=n?.entity(r[0]??"",t+1,t+e.length)??!1;return{segment:{kind:a,text:e,term:r,marked:c},length:e.length}}function Rt(e,t,n,s,o){for(let a;(a=s.list[s.next])&&a[0]<n;s.next++){let[r,c]=[Math.max(a[0],t),Math.min(a[1],n)];if(r<c&&(r>t&&o.push({kind:"text",text:e.slice(t,r)}),o.push({kind:"mark",text:e.slice(r,c),marked:!0}),t=c),a[1]>n)break}t<n&&o.push({kind:"text",text:e.slice(t,n)})}var ae=new Set,Cn=2e3;function Ft(e){ae.size>Cn&&ae.clear(),ae.add(e)}function Mn({tweet:e}){let[t,n]=g(""),s=e.avatar;return s&&s!==t&&!ae.has(s)?i`<img class="avatar" src=${s} alt="" width="36" height="36" loading="lazy" decoding="async" referrerpolicy="no-referrer" onError=${()=>{Ft(s),n(s)}} />`:i`<span class="avatar initials" style=${{"--hue":Se(e.screen)}} aria-hidden="true">${et(e)}</span>`}function An({tweet:e,tab:t,onJson:n}){let{perch:s}=O(M),o=Date.now()-e.time<6e4,a=o?s.second.value:s.minute.value,r=S.full(e.time);return i`<button class="age" type="button" tabindex=${t} title=${r} onClick=${n}>
    <time datetime=${Number.isFinite(e.time)?new Date(e.time).toISOString():void 0}>${S.age(e.time,Math.max(a,o?0:Date.now()))}</time
    ><span class="unseen">${l("tweet.json",{time:r})}</span>
  </button>`}function ze({term:e,text:t,kind:n,marked:s,column:o,tab:a}){let{searchTerm:r,chooseTerm:c}=O(M),u=m=>{m.ctrlKey||m.metaKey||(m.preventDefault(),m.pointerType==="touch"?c(o,e):r(o,e,m.shiftKey||m.altKey))};return i`<a class=${`term ${n}`} href=${`?q=${encodeURIComponent(e)}`} tabindex=${a} title=${l("tweet.term",{term:e})} onClick=${u}
    >${s?i`<mark>${t}</mark>`:t}</a
  >`}function Dn({marks:e},t){let{analyzer:n}=O(M).perch,[s,o]=g(null);return y(()=>{if(e.texts.length===0)return;let a=!0;return n.load([...e.texts,t]).then(()=>{let r=n.known(t);a&&r&&e.texts.every(c=>n.known(c))&&o(e.in(r,c=>n.known(c)??[]))}),()=>{a=!1}},[e,t]),s}function zt({tweet:e,column:t,tab:n}){let s=Dn(t,e.text),o=j(()=>Kt(e.text,e.links,s),[e,s]),a=D(null),[r,c]=g(e.text.length>400||(e.text.match(/\n/g)?.length??0)>11?"closed":"none");return ee(()=>{let u=a.current;r==="closed"&&u&&u.scrollHeight<=u.clientHeight+2&&c("none")},[]),i`<div ref=${a} class=${`text ${r}`} dir="auto">
      ${o.map(u=>u.kind==="text"?u.text:u.kind==="mark"?i`<mark>${u.text}</mark>`:u.kind==="link"?i`<a class="link" href=${u.href} tabindex=${n} target="_blank" rel="noopener noreferrer nofollow">${u.text}</a>`:i`<${ze} term=${u.term} text=${u.text} kind=${u.kind} marked=${u.marked} column=${t} tab=${n} />`)}
    </div>
    ${r!=="none"&&i`<button type="button" class="quiet more" tabindex=${n} aria-expanded=${r==="open"} onClick=${()=>c(r==="open"?"closed":"open")}>
      ${l(r==="open"?"tweet.less":"tweet.more")}
    </button>`}`}var Ht=({tweet:e,tab:t})=>e.userHref?i`<a class="name" href=${e.userHref} tabindex=${t} target="_blank" rel="noopener noreferrer nofollow" title=${l("tweet.author",{name:e.name||e.screen})}><bdi>${e.name||e.screen}</bdi></a>`:i`<bdi class="name">${e.name||e.screen}</bdi>`;function Ut({tweet:{media:e,isSensitive:t},tab:n}){let[s,o]=g(t);return s?i`<button type="button" class="cover" tabindex=${n} onClick=${()=>o(!1)}>${l("tweet.sensitive",{n:e.length})}</button>`:i`<div class=${`media n${e.length}`}>${e.map(a=>i`<${In} key=${a.src} media=${a} tab=${n} />`)}</div>`}var On=({options:e})=>i`<ul class="poll" aria-label=${l("tweet.poll")}>${e.map(t=>i`<li dir="auto">${t}</li>`)}</ul>`;function qn({seed:e,label:t}){let n=Se(e),[s,o]=[40+n%220,90+n%50];return i`<svg class="landscape" viewBox="0 0 300 160" preserveAspectRatio="xMidYMid slice" role="img" aria-label=${t} style=${{"--hue":n}}>
    <rect class="sky" width="300" height="160" />
    <circle class="sun" cx=${s} cy="54" r="22" />
    <path class="far" d=${`M0 ${o} Q75 ${o-70} 150 ${o} T300 ${o-20} V160 H0Z`} />
    <path class="near" d=${`M0 ${o+22} Q90 ${o-24} 180 ${o+24} T300 ${o+6} V160 H0Z`} />
  </svg>`}function In({media:{kind:e,src:t,href:n,alt:s},tab:o}){let[a,r]=g(ae.has(t));if(Ze(t))return i`<${qn} seed=${t} label=${s||l("tweet.image.demo")} />`;let c=l(e==="video"?"tweet.video":"tweet.image");if(a&&!s)return null;let u=()=>{Ft(t),r(!0)};return i`<a class=${`image ${e} ${a?"broken":""}`} href=${n} tabindex=${o} target="_blank" rel="noopener noreferrer nofollow" title=${s||void 0}>
    ${a?i`<span>${c}: ${s}</span>`:i`<img src=${t} alt=${s||c} loading="lazy" decoding="async" referrerpolicy="no-referrer" onError=${u} />`}
    ${e==="video"&&!a&&i`<span class="play"><${q} name="play" /><span class="unseen">${l("tweet.video")}</span></span>`}
  </a>`}function Ln({tweet:e,column:t,tab:n}){return i`<blockquote class="quoted">
    <header><${Ht} tweet=${e} tab=${n} /> ${e.screen&&i`<${ze} term=${`from:${e.screen}`} text=${`@${e.screen}`} kind="screen" column=${t} tab=${n} />`}</header>
    <${zt} key=${e.id} tweet=${e} column=${t} tab=${n} />
    ${e.media.length>0&&i`<${Ut} tweet=${e} tab=${n} />`}
  </blockquote>`}var Pt=({name:e,count:t,label:n})=>i`<span class=${`count ${e}`} title=${n}><${q} name=${e} /><span aria-hidden="true">${S.short(t)}</span><span class="unseen">${n}</span></span>`,oe=(e,t)=>l(e,{n:t,count:S.count(t)});function Nn(){let[e,t]=g(!1),n=D(null);return y(()=>{e&&n.current?.querySelector("a, button")?.focus()},[e]),{tab:e?0:-1,element:n,onKeyDown:a=>{let r=a.target===n.current;if(a.key==="Enter"&&r)t(!0);else if(a.key==="Escape"&&!r)n.current?.focus();else return;a.preventDefault(),a.stopPropagation()},onFocusOut:a=>{let r=a.relatedTarget;(r===n.current||!n.current?.contains(r))&&t(!1)}}}function Rn({item:e,original:t,column:n,order:s}){let{showJson:o}=O(M),{tab:a,element:r,onKeyDown:c,onFocusOut:u}=Nn(),{tweet:m}=e,d=t??m,w=m.originalId!==null,{seen:k,reach:T}=e,E=f=>s===f?Math.max(e[f],d[f]):d[f],v=(f,_)=>{let p=E(f);return p===0&&s!==f?null:p===d[f]?i`<${Pt} name=${_} count=${p} label=${oe(`tweet.${f}`,p)} />`:i`<span class=${`count extra ${_}`} title=${l("tweet.group.title")}><${q} name=${_} />${l("tweet.group",{count:oe(`tweet.${f}`,p)})}</span>`};return i`<article ref=${r} class="tweet" tabindex="0" onKeyDown=${c} onFocusOut=${u} data-id=${m.id} aria-label=${`${d.name} @${d.screen}`}>
    ${w&&i`<div class="context"><${q} name="retweet" /><bdi>${l("tweet.retweeted",{name:m.name||m.screen})}</bdi></div>`}
    <${Mn} tweet=${d} />
    <header>
      <${Ht} tweet=${d} tab=${a} />
      ${d.screen&&i`<${ze} term=${`from:${d.screen}`} text=${`@${d.screen}`} kind="screen" column=${n} tab=${a} />`}
      <${An} tweet=${m} tab=${a} onJson=${()=>o(m)} />
    </header>
    ${d.replyTo&&i`<div class="reply"><bdi>${l("tweet.reply",{name:d.replyTo})}</bdi></div>`}
    <${zt} key=${d.id} tweet=${d} column=${n} tab=${a} />
    ${d.poll.length>0&&i`<${On} options=${d.poll} />`}
    ${d.media.length>0&&i`<${Ut} key=${`media ${d.id}`} tweet=${d} tab=${a} />`}
    ${d.quoted&&i`<${Ln} tweet=${d.quoted} column=${n} tab=${a} />`}
    <footer>
      ${v("retweets","retweet")} ${v("favorites","heart")}
      ${(m.followers>0||s==="followers")&&i`<${Pt} name="people" count=${m.followers} label=${oe("tweet.followers",m.followers)} />`}
      ${(s==="seen"||k>1)&&i`<span class="count extra">${oe("tweet.seen",k)}</span>`}
      ${s==="reach"&&i`<span class="count extra">${oe("tweet.reach",T)}</span>`}
      <span class="ends">
        ${d.lang&&d.lang!=="und"&&i`<span class="lang">${d.lang.slice(0,8)}</span>`}
        ${d.href&&i`<a class="out" href=${d.href} tabindex=${a} target="_blank" rel="noopener noreferrer nofollow" title=${l("tweet.open")} aria-label=${l("tweet.open")}><${q} name="out" /></a>`}
      </span>
    </footer>
  </article>`}var Kn=["tweet","seen","reach","retweets","favorites"],jt=Nt(Rn,(e,t)=>Kn.every(n=>e.item[n]===t.item[n])&&e.original===t.original&&e.column===t.column&&e.order===t.order);var Pn=z("ColumnMenu"),He=14,Z=60,Fn=240,zn=3,Hn=6e4,ke=40,Ue=null;function Bt({column:e,at:t,n}){let{perch:s,announce:o}=O(M),a=s.active.value===e.name,{width:r,density:c}=e.settings.value,u=D(null),[m,d]=g(""),w=D(null);Vn(e,o),y(()=>e.version.subscribe(()=>{let p=w.current?.dataset??{};p.size=String(e.feed.size),p.busy=String(e.pace.rate(Date.now())>zn)}),[e]);let k=jn(w),T=p=>{let b=p.key==="ArrowLeft"?t-1:p.key==="ArrowRight"?t+1:t;b===t||b<0||b>=n||(p.preventDefault(),s.move(e,b),o(l("column.moved",{at:b+1,n})),requestAnimationFrame(()=>document.querySelector(`[data-column="${e.name}"] .grip`)?.focus()))},E=p=>{Ue=e,p.dataTransfer?.setData("text/x-perch-column",e.name),p.dataTransfer&&(p.dataTransfer.effectAllowed="move")},v=p=>{if(!p.dataTransfer?.types.includes("text/x-perch-column"))return;p.preventDefault();let b=Ue?s.columns.value.indexOf(Ue):-1;d(b===t||b<0?"":b<t?"after":"before")},f=p=>{p.currentTarget.contains(p.relatedTarget)||d("")},_=p=>{d("");let b=p.dataTransfer?.getData("text/x-perch-column"),K=s.columns.value.find(I=>I.name===b);K&&(p.preventDefault(),s.move(K,t))};return i`<section
    ref=${w}
    class=${`column ${a?"active":""} ${r} ${c} ${m&&`drop-${m}`}`}
    data-column=${e.name}
    aria-label=${l("column.label",{query:e.query})}
    onFocusIn=${()=>s.active.value=e.name}
    onPointerDown=${()=>s.active.value=e.name}
    onDragOver=${v}
    onDragLeave=${f}
    onDrop=${_}
  >
    <${Wn} column=${e} at=${t} n=${n} onGripKey=${T} onDragStart=${E} scroller=${u} />
    <${Qn} column=${e} />
    <${Xn} column=${e} scroller=${u} />
    <${Zn} column=${e} scroller=${u} isSeen=${k} />
  </section>`}var Un="0px 200px";function jn(e){let[t,n]=g(!0);return y(()=>{if(!e.current)return;let s=new IntersectionObserver(o=>n(o.at(-1)?.isIntersecting??!0),{rootMargin:Un});return s.observe(e.current),()=>s.disconnect()},[]),t}function Bn(e,t){y(()=>{let n=t.current;if(!n)return;let s=!1,[o,a]=[-1,-1],r=null,c=()=>n!==document.activeElement&&n.contains(document.activeElement)&&document.activeElement?.matches(":focus-visible"),u=()=>e.stand("held"),m=()=>{e.pause.value==="held"&&!s&&!c()&&e.resume()},d=()=>{clearTimeout(r),s=!1,m()},w=f=>{f.pointerType==="touch"||f.clientX===o&&f.clientY===a||([o,a]=[f.clientX,f.clientY],s=!0,clearTimeout(r),r=setTimeout(d,Hn),u())},k=f=>{s&&!f.target.closest(".scroller, .new")&&d()},T=()=>c()&&u(),E=()=>setTimeout(m);n.addEventListener("pointermove",w);let v=n.parentElement;return v.addEventListener("pointerover",k),v.addEventListener("pointerleave",d),n.addEventListener("focusin",T),n.addEventListener("focusout",E),()=>{clearTimeout(r),n.removeEventListener("pointermove",w),v.removeEventListener("pointerover",k),v.removeEventListener("pointerleave",d),n.removeEventListener("focusin",T),n.removeEventListener("focusout",E)}},[e])}function Vn(e,t){let n=D(0);y(()=>{let s=setInterval(()=>{let o=e.feed.pushed-n.current;n.current=e.feed.pushed,o>0&&t(l("column.announce",{n:o,query:e.query}))},2e4);return()=>clearInterval(s)},[e])}function Wn({column:e,at:t,n,onGripKey:s,onDragStart:o,scroller:a}){let{perch:r,edit:c,toggleAnalysis:u,analysis:m,showSaved:d}=O(M);e.version.value;let w=r.saved.of(e.query),k=w?l("saved.bell.on",{name:w.name}):l("saved.bell"),T=e.feed.total,E=r.connection$.value.state==="open",v=e.error.value!==null,f=e.pause.value!==""&&e.pause.value!=="held",_=e.pause.value==="hand",p=()=>{e.resume(),a.current&&(a.current.scrollTop=0)};return i`<header class="heading">
    <div class="first">
      ${n>1&&i`<button type="button" class="grip bare" draggable="true" aria-label=${l("column.drag")} title=${l("column.drag")} onKeyDown=${s} onDragStart=${o}>
        <${q} name="grip" />
      </button>`}
      <h2>
        <button type="button" class="query" dir="auto" title=${`${e.query}
${l("column.edit")}`} onClick=${()=>c(e)}>
          ${w?i`${w.name} <code>${e.query}</code>`:e.query}
        </button>
      </h2>
      <button type="button" class="bare close" aria-label=${l("column.close")} title=${l("column.close")} onClick=${()=>r.close(e)}><${q} name="close" /></button>
    </div>
    <div class="second">
      <div class="facts">
        <${Gn} column=${e} />
        <span class="total">${v?"":T!==null?i`${S.count(T)}<span class="unit"> ${l("stats.tweets",{n:T})}</span>`:E?l("column.registering"):l("column.offline")}</span>
        <${Yn} column=${e} />
      </div>
      ${e.spark&&i`<${we} bars=${e.spark.bars} />`}
      ${!v&&i`<select class="order" aria-label=${l("column.order")} value=${e.order.value} onChange=${b=>r.setOrder(e,b.target.value)}>
          ${Ye.map(b=>i`<option value=${b} selected=${b===e.order.value}>${l(`order.${b}`)}</option>`)}
        </select>
        <button
          type="button"
          class=${`bare pause ${_?"on":""}`}
          aria-pressed=${f}
          title=${l(f?"column.resume":"column.pause")}
          aria-label=${l("column.pause")}
          onClick=${()=>f?p():e.stand("hand")}
        >
          <${q} name=${f?"play":"pause"} />
        </button>
        <button
          type="button"
          class=${`bare ${m.value===e.name?"on":""}`}
          aria-pressed=${m.value===e.name}
          aria-label=${l("column.analysis")}
          title=${l("column.analysis")}
          onClick=${()=>u(e)}
        >
          <${q} name="chart" />
        </button>
        <button type="button" class=${`bare ${w?"on":""}`} aria-label=${k} title=${k} onClick=${()=>d(e.query)}><${q} name="bell" /></button>
        <${Jn} column=${e} at=${t} n=${n} />`}
    </div>
  </header>`}function Gn({column:e}){let{perch:t}=O(M),n=e.pause.value,{state:s,behind:o}=t.connection$.value;if(e.phase.value!=="live")return null;let a=s!=="open"?"lost":o?"behind":n===""?"live":n==="held"?"held":"paused";return i`<span class=${`state ${a}`} title=${a==="held"?l("column.held.title"):void 0}>${l(`column.${a}`)}</span>`}function Yn({column:e}){let{perch:t}=O(M),n=e.rate(t.second.value);return n>=Y&&e.phase.value==="live"&&!t.connection$.value.behind&&i`<span class="rate">${J(n)}</span>`}function Jn({column:e,at:t,n}){let s=D(null),[o,a]=g(!1),r=()=>{s.current&&(s.current.open=!1)};return y(()=>{if(!o)return;let c=u=>{let m=u instanceof KeyboardEvent&&u.key==="Escape";(u instanceof KeyboardEvent?!m:s.current?.contains(u.target))||(r(),m&&s.current?.querySelector("summary")?.focus())};return document.addEventListener("pointerdown",c),document.addEventListener("keydown",c),()=>{document.removeEventListener("pointerdown",c),document.removeEventListener("keydown",c)}},[o]),i`<details class="menu" ref=${s} onToggle=${c=>a(c.target.open)}>
    <summary class="bare" aria-label=${l("column.menu")} title=${l("column.menu")}><${q} name="menu" /></summary>
    ${o&&i`<${Pn} column=${e} at=${t} n=${n} onClose=${r} />`}
  </details>`}function Qn({column:e}){if(e.history.value!=="loading")return null;e.version.value;let{loaded:t,historyTotal:n}=e.feed,s=n??0;return i`<div class="progress">
    <progress max=${Math.max(1,Math.min(s,e.settings.value.history))} value=${t} aria-label=${l("history.loading",{loaded:t,total:s})}></progress>
    <span>${l("history.loading",{loaded:S.count(t),total:n===null?"\u2026":S.count(s)})}</span>
    <button type="button" class="small" onClick=${()=>e.stop()}>${l("history.stop")}</button>
  </div>`}function Xn({column:e,scroller:t}){e.version.value;let n=e.feed.waitingCount;if(n===0)return null;let s=S.count(n),o=()=>{e.resume(),t.current&&(t.current.scrollTop=0)};return i`<button type="button" class="new" aria-label=${l("column.new.label",{n,count:s})} onClick=${o}><${q} name="up" />${l("column.new",{n,count:s})}</button>`}function Zn({column:e,scroller:t,isSeen:n}){let{edit:s}=O(M),o=n||e.pause.value!=="";o&&e.version.value;let{feed:a}=e,r=e.order.value,{pageSize:c}=e.settings.value,[{start:u,shown:m},d]=g({start:0,shown:He}),w=D([]),k=D(null),T=D(null),E=D(null),v=()=>{w.current=[],d({start:0,shown:He})},f=a.viewSize,_=c?Math.max(1,Math.ceil(f/c)):1,p=Math.min(e.page.value,_-1),b=o?c?a.view(p*c,c):a.view(u,m-u):[];Bn(e,t);let K=()=>{let x=t.current?.scrollTop??0;x>ke?e.stand("reading"):x<=ke&&e.pause.value==="reading"&&p===0?(e.resume(),v()):x<=ke&&u>0&&v()},I=D(()=>{});I.current=()=>{if(!c)if(m<a.viewSize){if(!o)return;let x=m-u>=Fn,[N,F]=[k.current?.children[0],k.current?.children[Z]];x&&N&&F&&w.current.push(F.getBoundingClientRect().top-N.getBoundingClientRect().top),d({start:x?u+Z:u,shown:m+(m<Z?He:Z)})}else e.history.value==="more"&&(t.current?.scrollTop??0)>ke&&e.load()},y(()=>{let x=E.current;if(!x)return;let N=new IntersectionObserver(F=>F.some(U=>U.isIntersecting)&&I.current(),{root:t.current,rootMargin:"600px"});return N.observe(x),()=>N.disconnect()},[m,f>=m,o,e.history.value]),y(()=>{let x=T.current;if(!x||u===0)return;let N=()=>{w.current.pop(),d({start:Math.max(0,u-Z),shown:m-Z})},F=new IntersectionObserver(U=>U.some(B=>B.isIntersecting)&&N(),{root:t.current,rootMargin:"600px"});return F.observe(x),()=>F.disconnect()},[u,m]),ee(v,[r,c]),ee(()=>{u>0&&u>=f&&v()},[u,f]);let H=x=>{x>0&&e.stand("reading"),e.page.value=x,x===0&&e.pause.value==="reading"&&e.resume(),t.current&&(t.current.scrollTop=0),e.changed()},P=e.error.value;return i`<div class="scroller" ref=${t} tabindex="0" role="group" aria-label=${l("column.label",{query:e.query})} onScroll=${K}>
    ${P&&i`<div class="notice bad">
      <strong>${l("column.failed")}</strong>
      <${Fe} query=${e.query} message=${P.message} column=${P.at?.column} length=${P.at?.length} />
      <button type="button" class="small" onClick=${()=>s(e)}>${l("column.edit")}</button>
    </div>`}
    ${!P&&f===0&&(e.history.value==="all"||e.history.value==="more")&&i`<p class="notice">${l("column.empty")}</p>`}
    <div ref=${T} style=${{height:`${c?0:w.current.reduce((x,N)=>x+N,0)}px`}}></div>
    <ol class="tweets" ref=${k}>
      ${b.map(x=>i`<li key=${x.id}><${jt} item=${x} original=${a.originalOf(x.tweet)} column=${e} order=${r} /></li>`)}
    </ol>
    ${c>0&&f>0&&i`<nav class="pager" aria-label=${l("page.of",{at:p+1,n:_})}>
      <button type="button" class="small" disabled=${p===0} onClick=${()=>H(p-1)}>${l("page.previous")}</button>
      <span>${l("page.of",{at:S.count(p+1),n:S.count(_)})}</span>
      <button type="button" class="small" disabled=${p>=_-1} onClick=${()=>H(p+1)}>${l("page.next")}</button>
    </nav>`}
    <div ref=${E}></div>
    <${es} column=${e} isLast=${c>0||m>=f} />
  </div>`}function es({column:e,isLast:t}){let{feed:n}=e,s=e.history.value;if(!t||n.historyTotal===null)return null;let o={loaded:S.count(n.loaded),total:S.count(n.historyTotal)};return s==="all"?n.size>0?i`<p class="end">${l("history.all")}</p>`:null:s==="full"?i`<p class="end">${l("history.full",{n:n.cap,count:S.count(n.cap)})}</p>`:s==="failed"?i`<p class="end">${l("history.failed")} <button type="button" class="small" onClick=${()=>e.load()}>${l("history.retry")}</button></p>`:s!=="stopped"&&s!=="more"?null:i`<p class="end">
    ${l(s==="stopped"?"history.stopped":"history.more",o)}
    <button type="button" class="small" onClick=${()=>e.load()}>${l("history.load")}</button>
  </p>`}async function Vt(e){try{let t=await fetch("api/stats",{headers:e?{authorization:`Bearer ${e}`}:void 0}),{sources:n}=await t.json();return Object.keys(n??{}).some(s=>/^demo(#|$)/.test(s))}catch{return!1}}var ts=["#election","lang:en has:links","followers:>=1000 -is:retweet",'"good morning"'],re=["*","coffee OR tea","has:media"];function Wt({tryQuery:e}){let{perch:t,showSources:n}=O(M),{state:s}=t.connection$.value,o=t.memory.value.saved.map(m=>m.query),[a,r]=g(!1);y(()=>{s==="open"&&Vt(t.token).then(r)},[s]);let c=[...new Set([...o,...re])].slice(0,re.length),u=o.length>re.length?o.slice(re.length,12):ts;return i`<div class="start">
    <h2>${l("start.title")}</h2>
    <p>${l("start.text")}</p>
    <ul class="tiles" aria-label=${l("start.tiles")}>
      ${c.map(m=>i`<${ns} key=${m} query=${m} tryQuery=${e} />`)}
    </ul>
    ${a&&i`<p class="demo"><b>${l("start.demo")}</b> ${l("start.demo.text")}</p>`}
    <h3>${l(o.length>re.length?"search.saved":"start.try")}</h3>
    <ul>
      ${u.map(m=>i`<li><button type="button" class="example" dir="auto" onClick=${()=>e(m)}><code>${m}</code></button></li>`)}
    </ul>
    <p class="ends">
      <button type="button" class="small" onClick=${n}>${l("sources.title")}</button>
      ${Object.entries(ct).map(([m,d])=>m!==de&&i`<button type="button" class="small" lang=${m} onClick=${()=>t.speak(m)}>${d}</button>`)}
    </p>
  </div>`}function ns({query:e,tryQuery:t}){let{perch:n}=O(M),[s,o]=g(null);return y(()=>{let a=n.tile(e);return o(a),()=>a.end()},[e]),i`<li class="tile">
    <button type="button" dir="auto" title=${l("start.tile",{query:e})} onClick=${()=>t(e)}><code>${e}</code></button>
    ${s&&i`<${ss} column=${s} />`}
  </li>`}function ss({column:e}){let{perch:t}=O(M);e.version.value;let{total:n}=e.feed,s=e.rate(t.second.value),[o]=e.feed.view(0,1);return i`<span class="numbers">
      <b>${n===null?"\u2026":S.count(n)}</b>
      ${e.phase.value==="live"&&s>=Y&&i`<span>${J(s)}</span>`}
    </span>
    <${we} bars=${e.spark?.bars??[]} />
    ${o&&i`<span class="newest"><bdi class="name">${o.tweet.name||o.tweet.screen}</bdi> <bdi>${o.tweet.text}</bdi></span>`}`}var[os,as]=[z("Analysis"),z("Saved")],[rs,is,ls,cs,us]=[z("Choice"),z("Help"),z("Json"),z("Sources"),z("Token")],ds=3e3,je=["auto","light","dark"],Yt="(min-width: 1100px)",Jt="(max-width: 640px)",ms=1e4,fs=120;function Qt({perch:e}){let t=e.columns.value,n=D(null),[s,o]=g(""),[a,r]=g(!1),[c,u]=g(null),[m,d]=g(!1),[w,k]=g(!1),[T,E]=g(!1),[v,f]=g(null),[_,p]=g(null),[b,K]=g(""),I=j(()=>L(""),[]),H=D(!1),P=e.activeColumn?.query??"";y(()=>o(P),[e.active.value,P]),vs(e),y(()=>{let h=setTimeout(()=>Ne().catch(()=>{}),ds);return()=>clearTimeout(h)},[]);let x=j(()=>({perch:e,analysis:I,searchTerm:(h,C,R)=>{e.active.value=h.name,e.search(R?lt(h.query,C):C)},chooseTerm:(h,C)=>p({column:h,term:C}),showJson:u,showSaved:h=>f({query:h}),showSources:()=>E(!0),toggleAnalysis:h=>{H.current=I.value===h.name,I.value=H.current?"":h.name},edit:h=>{e.active.value=h.name,o(h.query),n.current?.focus(),n.current?.select()},announce:K}),[e]),N=()=>{d(!0),o(""),n.current?.focus()},F=()=>{d(!1),n.current?.value||o(P)};_s(x,n,()=>r(!0),N);let U=D([]);y(()=>{let h=!U.current.includes(e.active.value);U.current=t.map(C=>C.name),h&&ie(e.activeColumn)?.scrollIntoView({block:"nearest",inline:"nearest"})},[t,e.active.value]),y(()=>{let h=t.length===1?t[0]:void 0;h&&!H.current&&matchMedia(Yt).matches?I.value=h.name:t.some(C=>C.name===I.value)||(I.value="")},[t]);let{state:B}=e.connection$.value;y(()=>k(h=>B==="locked"||h&&B!=="open"),[B]);let W=t.find(h=>h.name===I.value),V=D(null),$=h=>{let C=h.currentTarget;matchMedia(Jt).matches&&(clearTimeout(V.current),V.current=setTimeout(()=>{let R=t[Math.round(C.scrollLeft/C.clientWidth)];R&&(e.active.value=R.name)},fs))},A=h=>{r(!1),e.search(h)};return i`<${M.Provider} value=${x}>
    <a class="skip" href="#columns">${l("skip")}</a>
    <header class="top">
      <a class="brand" href="./" aria-label=${l("app.name")} onClick=${hs(e)}><img src="icon.svg" alt="" width="26" height="26" /><span>${l("app.name")}</span></a>
      <${It} text=${s} setText=${o} field=${n} isNew=${m} endNew=${F} />
      <${ks} perch=${e} />
      <div class="tools">
        ${t.length>0&&i`<${bs} />`}
        <${ys} />
        <${ws} perch=${e} />
        <button type="button" class="bare" aria-label=${l("help.open")} title=${`${l("help.open")} (?)`} onClick=${()=>r(!0)}><${q} name="help" /></button>
      </div>
    </header>
    <${Ss} perch=${e} onUnlock=${()=>k(!0)} />
    <${$s} perch=${e} />
    <div class="body">
      <main id="columns" class=${`columns n${Math.min(t.length,9)}`} tabindex="-1" aria-label=${l("columns.label")} onScroll=${$}>
        <h1 class="unseen">${l("app.name")}: ${l("app.tagline")}</h1>
        ${t.length===0&&i`<${Wt} tryQuery=${A} />`}
        ${t.map((h,C)=>i`<${Bt} key=${h.name} column=${h} at=${C} n=${t.length} />`)}
      </main>
      ${W&&i`<${os} key=${W.name} column=${W} onClose=${()=>x.toggleAnalysis(W)} />`}
    </div>
    <${ps} perch=${e} />
    <div class="unseen" role="status" aria-live="polite">${b}</div>
    ${a&&i`<${is} onClose=${()=>r(!1)} onTry=${A} />`} ${c&&i`<${ls} tweet=${c} onClose=${()=>u(null)} />`}
    ${_&&i`<${rs} ...${_} onClose=${()=>p(null)} />`}
    ${v&&i`<${as} query=${v.query} onClose=${()=>f(null)} />`}
    ${T&&i`<${cs} onClose=${()=>E(!1)} />`} ${w&&i`<${us} onClose=${()=>k(!1)} />`}
  <//>`}function $s({perch:e}){let t=e.columns.value,n=D(null),s=e.active.value;if(y(()=>n.current?.querySelector("[aria-current=true]")?.scrollIntoView({block:"nearest",inline:"nearest"}),[s]),t.length<2)return null;let o=a=>{e.active.value=a.name,ie(a)?.scrollIntoView({block:"nearest",inline:"start"})};return i`<nav class="strip" ref=${n} aria-label=${l("columns.strip")}>
    ${t.map(a=>i`<button type="button" dir="auto" aria-current=${a.name===s?"true":void 0} onClick=${()=>o(a)}>${e.saved.of(a.query)?.name??a.query}</button>`)}
  </nav>`}function ps({perch:e}){let t=e.closed.value;return y(()=>{if(!t)return;let n=setTimeout(()=>e.closed.value=null,ms);return()=>clearTimeout(n)},[t]),i`<div class="undo" role="status">
    ${t&&i`<p><span>${l("undo.closed",{query:t.place.query})}</span> <button type="button" class="small" onClick=${()=>e.undo()}>${l("undo.undo")} <kbd aria-hidden="true">z</kbd></button></p>`}
  </div>`}var hs=e=>t=>{t.ctrlKey||t.metaKey||t.shiftKey||(t.preventDefault(),e.columns.value.length>0&&e.visit([]))};function vs(e){let{theme:t}=e.memory.value;y(()=>{let n=matchMedia("(prefers-color-scheme: dark)"),s=()=>{document.documentElement.dataset.theme=t==="auto"?n.matches?"dark":"light":t};return s(),n.addEventListener("change",s),()=>n.removeEventListener("change",s)},[t])}var gs=4e3;function bs(){let{announce:e}=O(M),[t,n]=g("share.title"),s=D(null);y(()=>{let a=setTimeout(()=>n("share.title"),gs);return()=>clearTimeout(a)},[t]);let o=async()=>{if(matchMedia(Jt).matches&&"share"in navigator){await navigator.share({title:document.title,url:location.href}).catch(()=>{});return}let a=await ft(location.href,s.current)?"share.copied":"share.failed";n(a),e(l(a))};return i`<button type="button" class=${`bare ${t==="share.copied"?"on":""}`} aria-label=${l(t)} title=${l(t)} onClick=${o}>
    <${q} name=${t==="share.copied"?"done":"share"} /><span ref=${s} class="unseen" aria-hidden="true">${location.href}</span>
  </button>`}function ys(){let{perch:e,showSaved:t}=O(M),n=e.saved.list.value.some(({state:o})=>o==="failing"),s=`${l("saved.title")}${n?`: ${l("saved.failing")}`:""}`;return i`<button type="button" class=${`bare ${n?"failing":""}`} aria-label=${s} title=${s} onClick=${()=>t(null)}><${q} name="bell" /></button>`}function ws({perch:e}){let{theme:t}=e.memory.value,n=je[(je.indexOf(t)+1)%je.length]??"auto";return i`<button
    type="button"
    class="bare theme"
    aria-label=${l(`theme.${t}`)}
    title=${l(`theme.${t}`)}
    onClick=${()=>e.remember({...e.memory.value,theme:n})}
  >
    <${q} name=${t} />
  </button>`}function ks({perch:e}){let{state:t,behind:n}=e.connection$.value,s=e.users.value,o=e.tweets.value;return i`<ul class="stats" aria-label=${l("stats.label")}>
    <li class=${`connection ${n?"behind":t}`} data-state=${t}>${l(n?"connection.behind":`connection.${t}`)}</li>
    ${o>0&&i`<li class="wide"><b>${S.short(o)}</b> ${l("stats.tweets",{n:o})}</li>`}
    ${s>0&&i`<li class="wide"><b>${S.short(s)}</b> ${l("stats.users",{n:s})}</li>`}
    <${xs} perch=${e} />
  </ul>`}function xs({perch:e}){let t=e.second.value,n=e.columns.value;if(n.length===0)return null;let s=n.reduce((a,r)=>a+r.feed.size,0),o=n.reduce((a,r)=>a+r.rate(t),0);return i`<li class="wide"><b>${S.short(s)}</b> ${l("stats.loaded")}</li>
    ${o>=Y&&i`<li class="wide"><b>${J(o)}</b> ${l("stats.rate")}</li>`}`}function Ss({perch:e,onUnlock:t}){let{state:n,attempt:s,retryAt:o,reason:a,behind:r}=e.connection$.value,c=e.withheldNow;if(n==="open"&&c>0)return i`<div class="banner" role="status">
      <span>${l("banner.withheld")}</span><span class="ticks" aria-hidden="true">${l("banner.withheld.count",{count:S.count(c)})}</span>
    </div>`;if(n==="open")return r?i`<div class="banner" role="status">
          <span>${l("banner.behind")}</span>
          <button type="button" class="small" onClick=${()=>e.connection.skip()}>${l("banner.skip")}</button>
        </div>`:null;if(n==="locked")return i`<div class="banner" role="status">
      <span>${l("banner.locked")}</span><button type="button" class="small" onClick=${t}>${l("banner.unlock")}</button>
    </div>`;if(n==="closed"&&s===0&&!a)return null;if(n==="closed")return i`<div class="banner bad" role="alert">${l("banner.closed",{reason:a})}</div>`;if(s===0)return null;let u=Math.max(0,Math.ceil((o-Math.max(e.second.value,Date.now()-999))/1e3));return i`<div class="banner" role="status">
    <span>${l("banner.waiting")}</span>
    <span class="ticks" aria-hidden="true">${n==="connecting"?l("banner.trying"):l("banner.again",{n:u})}</span>
    ${n==="waiting"&&i`<button type="button" class="small" onClick=${()=>e.connection.connect()}>${l("banner.now")}</button>`}
  </div>`}function _s({perch:e,analysis:t,toggleAnalysis:n},s,o,a){y(()=>{let r=c=>{let u=c.target;if(c.ctrlKey||c.metaKey||c.altKey||u.closest("input, select, textarea, dialog, [contenteditable]"))return;let m=e.columns.value,d=e.activeColumn,w=d?m.indexOf(d):-1,k={"/":()=>{s.current?.focus(),s.current?.select()},"?":o,j:()=>Gt(d,1),k:()=>Gt(d,-1),t:()=>Es(d),p:()=>d&&(d.pause.value===""||d.pause.value==="held"?d.stand("hand"):d.resume()),a:()=>d&&n(d),Escape:matchMedia(Yt).matches||t.value===""?void 0:()=>Ts(t),"[":()=>Be(e,w-1),"]":()=>Be(e,w+1),n:a,x:()=>d&&e.close(d),z:()=>e.undo(),...Object.fromEntries(Array.from({length:9},(T,E)=>[String(E+1),()=>E<m.length&&Be(e,E)]))}[c.key];k&&(c.preventDefault(),k())};return document.addEventListener("keydown",r),()=>document.removeEventListener("keydown",r)},[])}function Ts(e){let t=document.querySelector(`[data-column="${e.value}"]`);e.value="",t?.querySelector(".scroller")?.focus()}var ie=e=>e?document.querySelector(`[data-column="${e.name}"]`):null;function Gt(e,t){let n=[...ie(e)?.querySelectorAll(".tweet")??[]],s=n.findIndex(a=>a.contains(document.activeElement)),o=n[s<0?0:s+t];o&&e?.stand("reading"),o?.focus(),o?.scrollIntoView({block:"nearest"})}function Es(e){let t=ie(e)?.querySelector(".scroller");t&&(t.scrollTop=0),e?.pause.value==="reading"&&e.resume()}function Be(e,t){let n=e.columns.value,s=n[Math.max(0,Math.min(t,n.length-1))];if(!s)return;e.active.value=s.name;let o=ie(s);o?.scrollIntoView({block:"nearest",inline:"nearest"}),o?.querySelector(".scroller")?.focus()}var Xt=globalThis.perchEarly;Object.assign(globalThis,{perchBegun:!0});var Zt=new ge({open:()=>$t(Xt)??new WebSocket(new URL("ws",location.href.replace(/^http/,"ws"))),storage:localStorage,session:sessionStorage,newest:e=>pt(Xt,e)});document.documentElement.lang=de;Zt.start();dt(i`<${Qt} perch=${Zt} />`,document.getElementById("app"));
