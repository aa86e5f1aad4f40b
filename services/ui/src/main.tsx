import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { App } from './app/app.tsx';
import './styles/page.css';

createRoot(document.getElementById('app')!).render(
  <StrictMode>
    <App clock={{ nowMs: () => Date.now() }} />
  </StrictMode>,
);
